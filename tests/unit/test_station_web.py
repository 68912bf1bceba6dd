"""The station's page by hand-made requests: who sees, who may ask, and what is refused whoever asks."""

import json
from collections import Counter
from pathlib import Path

import pytest

from infusion_gateway.station.guard import HEADERS, POLICY
from infusion_gateway.station.signin import DEMAND
from infusion_gateway.station.web import EACH, KEPT, STREAMS
from station_page import ORIGIN, PIN, Browser, Station, secret

ELSEWHERE = "192.0.2.7"
HOSTILE = "<img src=x onerror=alert(1)>\"'\u2028${7*7}"


@pytest.fixture
def station(tmp_path: Path) -> Station:
    """Give a station's page with three people."""
    return Station(tmp_path)


async def test_every_answer_carries_the_policy(station: Station) -> None:
    """Pins W1 and W6: page, answers and refusals alike may run no inline script, and be framed by nobody."""
    browser = Browser(station)
    for answer in (await browser.get("/"), await browser.get("/api/me"), await browser.get("/nothing")):
        assert answer.headers["content-security-policy"] == POLICY
        assert {k.decode() for k in HEADERS} <= set(answer.headers)
    assert "require-trusted-types-for 'script'" in POLICY
    assert "unsafe" not in POLICY
    assert (await browser.get("/api/me")).headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8420",
        "127.0.0.1.evil.example",
        "",
        "[::2]:8420",
        "127.0.0.1:80@evil.example",
        "127.0.0.1:80@evil",
        "127.0.0.1:",
        "127.0.0.1:8\xb2",
        "127.0.0.1:-1",
        "127.0.0.1:1:2",
        "[::1]x",
        "[[::1]]",
    ],
)
async def test_a_foreign_host_is_refused(station: Station, host: str) -> None:
    """Pins W5: a name that isn't the station's is answered by nothing but 400, whatever it asks for."""
    assert (await Browser(station, host=host).get("/api/me")).status == 400


async def test_its_own_hosts_are_answered(station: Station) -> None:
    """Pins that IPv6's brackets and a missing port make no foreign host."""
    assert [(await Browser(station, host=h).get("/api/me")).status for h in ("127.0.0.1", "[::1]:8420", "[::1]")] == [
        200
    ] * 3


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"origin": ""}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "https://127.0.0.1:8420"}, 403),
        ({"x_igw_csrf": ""}, 403),
        ({"x_igw_csrf": "0" * 64}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"content_type": "text/plain"}, 415),
        ({"content_type": "application/x-www-form-urlencoded"}, 415),
        ({"sec_fetch_site": "same-origin"}, 200),
    ],
)
async def test_only_the_stations_own_page_changes_anything(
    station: Station, headers: dict[str, str], status: int
) -> None:
    """Pins W2: a foreign or missing Origin, no token, a form's content type: nothing is asked of the bed."""
    browser = Browser(station)
    await browser.sign_in("nurse-1")
    answer = await browser.post("/api/beds/gateway-1/chair-1/do/hold", {"arguments": {"reason": "x"}}, **headers)
    assert answer.status == status
    assert len(station.ward.asked) == (status == 200)


async def test_another_sites_script_reads_nothing_and_a_link_leads_here(station: Station) -> None:
    """Pins that a cross-site question is refused even as GET, while a person who follows a link gets the page."""
    browser = Browser(station)
    assert (await browser.get("/api/me", sec_fetch_site="cross-site", sec_fetch_mode="no-cors")).status == 403
    assert (await browser.get("/", sec_fetch_site="cross-site", sec_fetch_mode="navigate")).status == 200


async def test_a_viewer_can_not_instruct(station: Station) -> None:
    """Pins that a viewer's requests change nothing, from elsewhere not even a stop, and that their PIN is none."""
    browser = Browser(station, ELSEWHERE)
    await browser.sign_in("viewer-1")
    for name in ("order", "confirm", "stop", "hold", "acknowledge", "pause-audio", "limits", "close", "assess"):
        assert (await browser.do(name)).status == 403, name
    at_the_bed = Browser(station)
    await at_the_bed.me()
    assert (await at_the_bed.do("acknowledge", {"code": "spo2-low"}, pin=PIN["viewer-1"])).status == 403
    assert station.ward.asked == []


async def test_a_clinician_asks_in_their_own_name(station: Station) -> None:
    """Pins that who is signed in is who asks, whatever the request says, and what only a supervisor may."""
    browser = Browser(station, ELSEWHERE)
    await browser.sign_in("Nurse-1")
    assert (await browser.do("acknowledge", {"code": "spo2-low", "by": "doctor-1"})).status == 200
    assert station.ward.asked[-1] == (
        "gateway-1",
        "chair-1",
        "acknowledge",
        "nurse-1",
        {"code": "spo2-low", "by": "doctor-1"},
    )
    assert (await browser.do("hold", by="doctor-1")).status == 400
    await browser.post("/api/again", {"password": secret("nurse-1")})
    refused = await browser.do("limits", {})
    assert (refused.status, refused.body["field"]) == (403, "role")
    assert (await browser.do("no-such-thing")).status == 404


async def test_what_was_begun_for_one_patient_is_nobody_elses(station: Station) -> None:
    """Pins that the case that a page means is asked for and no other, "" for none; a stop is for whoever lies there."""
    browser = Browser(station, ELSEWHERE)
    await browser.sign_in("nurse-1")
    assert (await browser.do("assess", case="case-1")).status == 200
    assert (await browser.do("assess")).status == 200
    assert (await browser.do("stop", case="case-1")).status == 200
    assert (await browser.do("assess", case=1)).status == 400
    assert (await browser.do("assess", case="")).status == 200
    assert station.ward.cases == ["case-1", None, None, ""]


@pytest.mark.parametrize("name", sorted(DEMAND))
async def test_what_weighs_most_wants_the_password_again(station: Station, name: str) -> None:
    """Pins that a password just given to sign in counts for a minute; after that whose it must be."""
    browser = Browser(station)
    await browser.sign_in("doctor-1")
    station.now += 59.9
    assert (await browser.do(name)).status == 200
    station.now += 0.2
    refused = await browser.do(name)
    assert (refused.status, refused.body["field"]) == (403, "again")
    assert (await browser.post("/api/again", {"password": secret("nurse-1")})).status == 401
    assert (await browser.do(name)).status == 403
    assert (await browser.post("/api/again", {"password": secret("doctor-1")})).status == 200
    station.now += 59.9
    assert (await browser.do(name)).status == 200
    station.now += 0.2
    assert (await browser.do(name)).status == 403
    assert len(station.ward.asked) == 2


async def test_a_stop_needs_no_sign_in_where_the_beds_are(station: Station) -> None:
    """Pins that a stop is taken here and at an enrolled screen, from nowhere else, and whose name it goes in."""
    here = Browser(station)
    await here.me()
    assert (await here.do("stop", {"reason": ""})).body["outcome"] == "accepted"
    stranger = Browser(station, ELSEWHERE)
    await stranger.me()
    assert (await stranger.do("stop")).status == 401
    enrolled = await stranger.enrol("doctor-1", "wall-1", "wall")
    assert enrolled.body["screen"] == {"name": "wall-1", "profile": "wall", "bed": None}
    stranger.jar.pop("igw")
    assert (await stranger.me())["signed_in"] is False
    assert (await stranger.do("stop")).status == 200
    assert (await stranger.do("hold")).status == 401
    assert [asked[3] for asked in station.ward.asked] == ["screen-local", "screen-wall-1"]


async def test_a_page_that_is_older_than_the_station_still_stops(station: Station) -> None:
    """Pins that a stale token keeps nobody from stopping, a foreign page does."""
    here = Browser(station)
    here.csrf = "of another time"
    assert (await here.do("stop")).status == 200
    assert (await here.do("hold")).status == 403
    answer = await here.post("/api/beds/gateway-1/chair-1/do/stop", {"arguments": {}}, origin="http://evil.example")
    assert answer.status == 403


async def test_a_proxy_makes_nobody_local(station: Station) -> None:
    """Pins that what was passed on by something on this machine is not taken for this machine's browser."""
    browser = Browser(station)
    assert (await browser.get("/api/me")).body["sees"] is True
    assert (await browser.get("/api/me", x_forwarded_for=ELSEWHERE)).body["sees"] is False
    assert (await browser.get("/events", forwarded="for=192.0.2.7")).status == 401


async def test_a_stop_that_nobody_answers_says_so(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a ward that hangs makes a stop unanswered in its time, never an endless wait."""
    monkeypatch.setattr("infusion_gateway.station.web.STOP_S", -0.1)
    station.ward.hangs = True
    answer = await Browser(station).post("/api/beds/gateway-1/chair-1/do/stop", {"arguments": {}}, x_igw_csrf="any")
    assert (answer.body["outcome"], answer.body["reason"]) == ("unanswered", "NOT SENT: stop at the pump")


async def test_a_pin_acknowledges_at_a_screen_alone(station: Station) -> None:
    """Pins whose name a PIN asks in, what it suffices for, and that elsewhere it is no key."""
    here = Browser(station)
    await here.me()
    assert (await here.do("acknowledge", {"code": "spo2-low"}, pin=PIN["nurse-1"])).status == 200
    assert station.ward.asked[-1][3] == "nurse-1"
    assert (await here.do("acknowledge", {}, pin="0000")).status == 401
    assert (await here.do("order", {}, pin=PIN["doctor-1"])).status == 401
    assert (await here.do("acknowledge", {})).status == 401
    away = Browser(station, ELSEWHERE)
    await away.me()
    assert (await away.do("acknowledge", {}, pin=PIN["nurse-1"])).status == 403
    assert len(station.ward.asked) == 1


async def test_nobody_elses_hand_wakes_an_idle_person(station: Station) -> None:
    """Pins that a stop without sign-in, or anybody's PIN, leaves who walked off signed out; their own act does not."""
    browser = Browser(station)
    await browser.sign_in("doctor-1")
    station.now += 600
    await browser.do("acknowledge", {}, pin=PIN["nurse-1"])
    station.now += 301
    for do in (browser.do("stop"), browser.do("acknowledge", {}, pin=PIN["nurse-1"])):
        assert (await do).status == 200
        assert (await browser.me())["signed_in"] is False
        assert (await browser.post("/api/enrol", {"name": "wall-1", "profile": "wall"})).status == 401
    assert [asked[3] for asked in station.ward.asked] == ["nurse-1", "screen-local", "nurse-1"]
    await browser.sign_in("doctor-1")
    station.now += 600
    await browser.do("stop")
    station.now += 600
    assert (await browser.me())["signed_in"] is True
    assert station.ward.asked[-1][3] == "doctor-1"


async def test_a_screen_that_is_played_with_holds_up_no_other(station: Station) -> None:
    """Pins that wrong PINs of an enrolled screen count for it alone, though another has the same address."""
    played, desk = Browser(station, ELSEWHERE), Browser(station, ELSEWHERE)
    await played.enrol("doctor-1", "wall-1", "wall")
    await desk.enrol("doctor-1", "desk-1", "nurses")
    for browser in (played, desk):
        await browser.post("/api/sign-out", {})
        await browser.me()
    for _ in range(6):
        last = await played.do("acknowledge", {}, pin="0000")
    assert last.status == 429
    assert (await desk.do("acknowledge", {}, pin=PIN["nurse-1"])).status == 200


async def test_only_supervisors_enrol(station: Station) -> None:
    """Pins who makes a screen, and that a name or profile that is none makes none."""
    browser = Browser(station)
    await browser.me()
    assert (await browser.post("/api/enrol", {"name": "wall-1", "profile": "wall"})).status == 401
    await browser.sign_in("nurse-1")
    assert (await browser.post("/api/enrol", {"name": "wall-1", "profile": "wall"})).status == 403
    await browser.sign_in("doctor-1")
    station.now += 60
    refused = await browser.post("/api/enrol", {"name": "wall-1", "profile": "wall"})
    assert (refused.status, refused.body["field"]) == (403, "again")
    await browser.post("/api/again", {"password": secret("doctor-1")})
    for wrong in (
        {"name": HOSTILE, "profile": "wall"},
        {"name": "w", "profile": "tv"},
        {"name": "w", "profile": "wall", "bed": "../x"},
    ):
        assert (await browser.post("/api/enrol", wrong)).status == 400, wrong
    assert "igw-screen" not in browser.jar


async def test_only_a_nurses_screen_answers_for_the_chairs(station: Station) -> None:
    """Pins that a screen of another profile can't quiet the chairs by saying that it sounds."""
    browser = Browser(station)
    await browser.sign_in("doctor-1")
    assert (await browser.post("/api/alive", {})).status == 403
    await browser.enrol("doctor-1", "desk-1", "nurses")
    await browser.me()
    assert (await browser.post("/api/alive", {})).status == 200
    assert station.ward.awake == ["desk-1"]


async def test_who_is_known_sees_the_people(station: Station) -> None:
    """Pins that names are told to who signed in and to enrolled screens, without a hash."""
    browser = Browser(station)
    assert (await browser.get("/api/people")).status == 401
    await browser.sign_in("viewer-1")
    people = await browser.get("/api/people")
    assert people.body[0] == {"code": "doctor-1", "title": "Doctor-1", "role": "supervisor"}
    assert b"argon2" not in people.bytes


async def test_beyond_the_machine_nothing_is_seen_without_signing_in(station: Station) -> None:
    """Pins that the beds are told to nobody unknown, while a sign-in, here or there, hides nothing."""
    stranger = Browser(station, ELSEWHERE)
    assert (await stranger.get("/events")).status == 401
    assert (await stranger.get("/api/beds/gateway-1/chair-1/trend")).status == 401
    await stranger.sign_in("viewer-1")
    assert (await stranger.get("/events")).status == 200
    assert (await stranger.get("/api/beds/gateway-1/chair-1/trend?minutes=60")).status == 404
    assert (await stranger.get("/api/beds/gateway-1/chair-1/trend?minutes=nan")).status == 400
    assert (await stranger.get("/api/beds/gateway-1/chair-1/trend?minutes=0060" + "9" * 400)).status == 400
    assert station.ward.clients == 0


async def test_who_opens_many_pages_keeps_nobody_from_theirs(station: Station) -> None:
    """Pins that one person has so many pages and no more, which is counted down again, and others have theirs."""
    viewer, nurse = Browser(station, ELSEWHERE), Browser(station, ELSEWHERE)
    await viewer.sign_in("viewer-1")
    await nurse.sign_in("nurse-1")
    for _ in range(3):
        assert (await viewer.get("/events")).status == 200
    assert not station.web._open
    station.web._open["person viewer-1"] = EACH
    assert (await viewer.get("/events")).status == 503
    assert (await nurse.get("/events")).status == 200


async def test_no_machine_takes_the_places_of_who_watches(station: Station) -> None:
    """Pins that viewers, whoever they are, fill neither a clinician's places nor a screen's, nor this machine's own."""
    viewer, nurse, screen = (Browser(station, ELSEWHERE) for _ in range(3))
    here, other = Browser(station), Browser(station, "192.0.2.99")
    await viewer.sign_in("viewer-1")
    await nurse.sign_in("nurse-1")
    await screen.enrol("doctor-1", "wall-1", "wall")
    await screen.post("/api/sign-out", {})
    await other.sign_in("viewer-1")
    watching = (nurse, screen, here)
    for full, many in ((f"from {ELSEWHERE}", EACH), ("others", STREAMS - KEPT)):
        station.web._open = Counter({full: many})
        station.ward.clients = STREAMS - KEPT
        assert (await viewer.get("/events")).status == 503, full
        assert (await other.get("/events")).status == (503 if full == "others" else 200)
        station.now += 1000  # nobody acts any more: all still look
        assert [(await one.get("/events")).status for one in watching] == [200] * 3, full
        assert (station.ward.clients, station.web._open[full]) == (STREAMS - KEPT, many)
    station.web._open = Counter({"from this machine": EACH})
    assert (await here.get("/events")).status == 503
    station.ward.clients = STREAMS
    assert (await nurse.get("/events")).status == 503


@pytest.mark.parametrize(
    "path",
    ["/static/../secret.txt", "/static/..%2fsecret.txt", "/static/%2e%2e/secret.txt", "/static//etc/passwd",
     "/static/....//secret.txt", "/static/\\..\\secret.txt", "/../secret.txt", "/static/index.html\x00.js"],
)  # fmt: skip
async def test_no_path_leads_out_of_the_pages(station: Station, path: str) -> None:
    """Pins W4: whatever is written in a path, only the page's own files are given."""
    answer = await Browser(station).get(path)
    assert answer.status in (400, 404)
    assert b"not for anybody" not in answer.bytes


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"[]", 400), (b"{", 400), (b"\xff", 400), (b"[" * 16_000, 400), (b"x" * 16_385, 413),
        (b'{"person": 7, "password": "x"}', 400), (b'{"person": "x", "password": NaN}', 400),
        (b'{"person": "nurse-1", "password": "\\ud800"}', 400),
        (b'{"person": "nurse-1", "password": "x", "role": "supervisor"}', 400), (b'{"person": null}', 401),
    ],
)  # fmt: skip
async def test_what_is_no_request_is_refused_in_words(station: Station, body: bytes, status: int) -> None:
    """Pins that oversized, nested, foreign and half-made bodies are answered, each with an error in words."""
    browser = Browser(station)
    await browser.me()
    headers = {"origin": ORIGIN, "x-igw-csrf": browser.csrf, "content-type": "application/json"}
    answer = await browser.ask("POST", "/api/sign-in", headers, body)
    assert answer.status == status
    assert answer.body["error"]


async def test_hostile_words_come_back_as_json_alone(station: Station) -> None:
    """Pins that what somebody entered is never answered as a page, and goes to the gateway as it was written."""
    browser = Browser(station)
    await browser.sign_in("nurse-1")
    await browser.do("hold", {"reason": HOSTILE})
    assert station.ward.asked[-1][4] == {"reason": HOSTILE}
    refused = await browser.post("/api/sign-in", {"person": HOSTILE, "password": HOSTILE})
    assert refused.headers["content-type"] == "application/json"
    assert HOSTILE not in refused.bytes.decode()


async def test_the_second_person_is_never_sent_the_firsts_weight(station: Station) -> None:
    """Pins that nothing the server sends while an order waits for its confirmation holds what was entered."""
    first, second = Browser(station), Browser(station, ELSEWHERE)
    await first.sign_in("doctor-1")
    await second.sign_in("nurse-1")
    sent = []
    await first.post("/api/again", {"password": secret("doctor-1")})
    sent.append(await first.do("order", {"case": "c-1", "weight_kg": 73.125, "concentration_mg_ml": 1.0}))
    station.feed.tell("bed", json.dumps({"session": {"phase": "ordered"}}).encode())
    sent += [await second.get(path) for path in ("/api/me", "/api/people", "/events")]
    await second.post("/api/again", {"password": secret("nurse-1")})
    sent.append(await second.do("confirm", {"weight_kg": 73.5, "concentration_mg_ml": 1.0}))
    assert [answer.status for answer in sent] == [200] * 5
    assert not [answer for answer in sent if b"73.1" in answer.bytes]
    assert [asked[2:4] for asked in station.ward.asked] == [("order", "doctor-1"), ("confirm", "nurse-1")]
