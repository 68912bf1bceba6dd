"""Signing in by the clinic's identity provider, by hand-made requests: a provider that answers as it is told to."""

import base64
import hashlib
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from infusion_gateway.config.settings import OpenIdSettings
from infusion_gateway.station.openid import FLOWS, HOLDS_S, LONGEST_HINT, Away, Known, Offer, Refused
from infusion_gateway.station.people import read, save
from infusion_gateway.station.signin import DEMAND, FREE, SESSIONS
from station_page import PIN, Browser, Station, secret

ISSUER = "https://login.clinic.example/realms/clinic"
ELSEWHERE = "192.0.2.7"
SETTINGS = OpenIdSettings(
    ISSUER, "infusion-station", None, None,
    {"leads": "supervisor", "nurses": "clinician", "ward": "viewer"}, "groups", "preferred_username", ("profile",),
)  # fmt: skip
CROSS = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}


class FakeProvider:
    """Says of whoever signs in what it is told to, and notes what it is asked. fails: what it raises instead."""

    def __init__(self) -> None:
        self.offered = Offer(f"{ISSUER}/authorize", f"{ISSUER}/logout", names_itself=False)
        self.claims: dict[str, Any] = {"sub": "0b7c", "preferred_username": "n.seven", "groups": ["nurses"]}
        self.fails: Exception | None = None
        self.redeemed: list[dict[str, Any]] = []

    async def offer(self) -> Offer:
        """Give what it offers."""
        if isinstance(self.fails, Away):
            raise self.fails
        return self.offered

    async def known(self, code: str, *, verifier: str, redirect: str, nonce: str, begun_s: float | None) -> Known:
        """Give the claims, and note what came."""
        asked = {"code": code, "verifier": verifier, "redirect": redirect, "nonce": nonce, "begun_s": begun_s}
        self.redeemed.append(asked)
        if self.fails is not None:
            raise self.fails
        return Known(self.claims, f"token of {code}")


@pytest.fixture
def provider() -> FakeProvider:
    """Give a provider."""
    return FakeProvider()


@pytest.fixture
def station(tmp_path: Path, provider: FakeProvider) -> Station:
    """Give a station with three people of its own, and that provider."""
    return Station(tmp_path, openid=(SETTINGS, provider))


async def begun(browser: Browser, **body: Any) -> dict[str, str]:
    """Begin to sign in, and give what the provider is asked."""
    await browser.me()
    answer = await browser.post("/api/openid", body)
    assert answer.status == 200, answer.body
    url = urlsplit(answer.body["to"])
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{ISSUER}/authorize"
    return dict(parse_qsl(url.query))


async def back(browser: Browser, **query: str) -> Any:
    """Come back from the provider, as a link from another site: without the strict cookies. Give how it has ended."""
    kept = {name: browser.jar.pop(name) for name in list(browser.jar) if name in ("igw", "igw-screen")}
    said = "&".join(f"{name}={value}" for name, value in query.items())
    answer = await browser.get(f"/openid/return?{said}", **CROSS)
    browser.jar = kept | browser.jar
    assert (answer.status, answer.headers["location"]) == (303, "/openid/done")
    return (await browser.get("/api/openid")).body


async def signed_in(browser: Browser, **body: Any) -> Any:
    """Sign in from the first touch to the last; give how it has ended."""
    asked = await begun(browser, **body)
    found = await back(browser, code="code", state=asked["state"])
    await browser.me()
    return found


async def test_somebody_signs_in_by_the_provider(station: Station, provider: FakeProvider) -> None:
    """Pins the whole way: what is asked of the provider, PKCE, a new strict cookie, and acting under one's own code."""
    browser = Browser(station, ELSEWHERE)
    browser.jar["igw"] = "planted"
    asked = await begun(browser)
    assert {k: asked[k] for k in ("response_type", "client_id", "scope", "code_challenge_method")} == {
        "response_type": "code", "client_id": "infusion-station", "scope": "openid profile",
        "code_challenge_method": "S256",
    }  # fmt: skip
    assert asked["redirect_uri"] == "http://127.0.0.1:8420/openid/return"
    assert "prompt" not in asked  # a device of one's own: who is signed in at the provider need not type again
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    assert await back(browser, code="c0de", state=asked["state"]) == {"outcome": "signed-in", "reason": ""}
    redeemed = provider.redeemed[-1]
    challenge = base64.urlsafe_b64encode(hashlib.sha256(redeemed["verifier"].encode()).digest()).rstrip(b"=").decode()
    assert (redeemed["code"], redeemed["nonce"], challenge) == ("c0de", asked["nonce"], asked["code_challenge"])
    me = await browser.me()
    assert me["person"] == {"code": "n.seven", "title": "n.seven", "role": "clinician"}
    assert (me["openid"], me["again"]) == ("login.clinic.example", ["openid"])
    assert browser.jar["igw"] != "planted"
    assert (await browser.do("acknowledge", {"code": "spo2-low"})).status == 200
    assert station.ward.asked[-1][3] == "n.seven"
    assert (await browser.get("/api/openid")).body["outcome"] is None  # told once


async def test_the_cookies_of_the_flow_and_of_the_session(tmp_path: Path, provider: FakeProvider) -> None:
    """Pins that the flow's cookie is Lax and short-lived, the session's stays Strict, and both are the host's own."""
    browser = Browser(Station(tmp_path, secure=True, openid=(SETTINGS, provider)))
    await browser.me()
    answer = await browser.post("/api/openid", {})
    flow = answer.headers["set-cookie"]
    assert flow.startswith("__Host-igw-openid=")
    assert {"HttpOnly", "SameSite=lax", "Secure", "Path=/", f"Max-Age={HOLDS_S}"} <= set(flow.split("; "))
    state = dict(parse_qsl(urlsplit(answer.body["to"]).query))["state"]
    ended = await browser.get(f"/openid/return?code=c&state={state}", **CROSS)
    assert ended.headers["set-cookie"].startswith("__Host-igw=")
    assert "SameSite=strict" in ended.headers["set-cookie"]
    assert ended.headers["cache-control"] == "no-store"
    assert "form-action 'self'" in ended.headers["content-security-policy"]  # nothing of it was loosened


async def test_a_state_holds_once_here_and_not_for_long(station: Station, provider: FakeProvider) -> None:
    """Pins: another's state, no cookie, a state or code again, and one that came late, sign nobody in."""
    browser, other = Browser(station), Browser(station)
    asked, theirs = await begun(browser), await begun(other)
    for state in (theirs["state"], "", "x", asked["state"][:-1], "%ff%fe"):
        assert (await back(browser, code="c", state=state))["outcome"] is None
    stranger = Browser(station)
    assert (await back(stranger, code="c", state=asked["state"]))["outcome"] is None
    assert provider.redeemed == []
    assert (await back(browser, code="c", state=asked["state"]))["outcome"] == "signed-in"
    assert (await back(browser, code="c", state=asked["state"]))["outcome"] is None
    assert len(provider.redeemed) == 1
    station.now += HOLDS_S
    late = await back(other, code="c", state=theirs["state"])
    assert (late["outcome"], "longer than" in late["reason"]) == ("refused", True)
    assert (await other.me())["signed_in"] is False
    assert len(provider.redeemed) == 1


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ({"error": "access_denied"}, "access_denied"), ({"error": "<script>"}, "no code"), ({}, "no code"),
        ({"code": ""}, "no code"), ({"code": "x" * 5000}, "no code"),
        ({"code": "c", "iss": "https://evil.example"}, "another provider"),
        ({"code": "c", "error": "access_denied"}, "access_denied"),
    ],
    ids=repr,
)  # fmt: skip
async def test_what_comes_back_wrong_is_refused_in_words(
    station: Station, provider: FakeProvider, query: dict[str, str], why: str
) -> None:
    """Pins that an error, no code, an endless one and another issuer's answer sign nobody in, and repeat no markup."""
    browser = Browser(station)
    asked = await begun(browser)
    ended = await back(browser, state=asked["state"], **query)
    assert ended["outcome"] == "refused"
    assert why in ended["reason"]
    assert "script" not in ended["reason"]
    assert provider.redeemed == []


async def test_a_provider_that_names_itself_must(station: Station, provider: FakeProvider) -> None:
    """Pins RFC 9207: where it says that it says who answers, an answer without it is nobody's."""
    provider.offered = replace(provider.offered, names_itself=True)
    browser = Browser(station)
    asked = await begun(browser)
    assert "another provider" in (await back(browser, code="c", state=asked["state"]))["reason"]
    asked = await begun(browser)
    assert (await back(browser, code="c", state=asked["state"], iss=ISSUER))["outcome"] == "signed-in"


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"groups": ["others"]}, "none of your groups"), ({"groups": ...}, "none of your groups"),
        ({"groups": {"nurses": True}}, "none of your groups"), ({"groups": [["nurses"], 7]}, "none of your groups"),
        ({"groups": "nurses,leads"}, "none of your groups"), ({"groups": ["Nurses"]}, "none of your groups"),
        ({"preferred_username": ...}, "what to call you"), ({"preferred_username": ["n.seven"]}, "what to call you"),
        ({"preferred_username": "n\u0435.seven"}, "is no code"), ({"preferred_username": "a@x.example"}, "is no code"),
        ({"preferred_username": "<img src=x>"}, "is no code"), ({"preferred_username": "x" * 65}, "is no code"),
        ({"preferred_username": ""}, "is no code"), ({"preferred_username": "Screen-wall"}, "screen-"),
        ({"preferred_username": "nurse-1"}, "own people"), ({"preferred_username": "NURSE-1"}, "own people"),
    ],
    ids=repr,
)  # fmt: skip
async def test_who_is_nobody_here_is_told_so(
    station: Station, provider: FakeProvider, claims: dict[str, Any], why: str
) -> None:
    """Pins that no mapped role, no code, a look-alike and the code of one of the station's own are refused in words."""
    provider.claims = {k: v for k, v in (provider.claims | claims).items() if v is not ...}
    browser = Browser(station)
    ended = await signed_in(browser)
    assert (ended["outcome"], why in ended["reason"]) == ("refused", True), ended
    assert (await browser.me())["signed_in"] is False


async def test_what_an_administrator_may_copy_is_one_word(station: Station, provider: FakeProvider) -> None:
    """Pins that the command in a refusal is safe to paste, whatever the provider calls somebody."""
    provider.claims |= {"sub": "x'; reboot; '$(y)", "groups": []}
    reason = (await signed_in(Browser(station)))["reason"]
    assert shlex.split(reason.partition("or: ")[2]) == [
        "infusion-gateway",
        "people",
        "openid",
        "CODE",
        "x'; reboot; '$(y)",
    ]


@pytest.mark.parametrize(
    ("groups", "role"),
    [(["ward", "leads", "nurses"], "supervisor"), ("nurses", "clinician"), (["x", "ward"], "viewer")],
)
async def test_the_most_that_a_group_may_is_the_role(
    station: Station, provider: FakeProvider, groups: Any, role: str
) -> None:
    """Pins that of several mapped groups the highest counts, and that one group may stand alone."""
    provider.claims["groups"] = groups
    browser = Browser(station)
    await signed_in(browser)
    assert (await browser.me())["person"]["role"] == role


def link(station: Station, code: str, subject: str | None) -> None:
    """Say in the people's file whom the provider calls so."""
    people = read(station.people)
    save(station.people, [replace(one, openid=subject) if one.code == code else one for one in people])


async def test_an_entry_that_says_so_is_the_same_person(station: Station, provider: FakeProvider) -> None:
    """Pins the link: code and role of the entry whatever the claims are, its PIN and password too; gone, signed out."""
    link(station, "doctor-1", "0b7c")
    provider.claims = {"sub": "0b7c", "preferred_username": "<x>", "groups": []}
    browser = Browser(station, ELSEWHERE)
    assert (await signed_in(browser))["outcome"] == "signed-in"
    me = await browser.me()
    assert (me["person"]["code"], me["person"]["role"], me["again"]) == (
        "doctor-1",
        "supervisor",
        ["password", "openid"],
    )
    assert (await browser.post("/api/again", {"password": secret("doctor-1")})).status == 200
    assert (await browser.do("order")).status == 200
    at_the_bed = Browser(station)
    await at_the_bed.me()
    assert (await at_the_bed.do("acknowledge", {"code": "x"}, pin=PIN["doctor-1"])).status == 200
    assert [asked[3] for asked in station.ward.asked] == ["doctor-1", "doctor-1"]
    link(station, "doctor-1", None)
    assert (await browser.me())["signed_in"] is False


async def test_an_entry_made_later_ends_what_it_contradicts(station: Station, provider: FakeProvider) -> None:
    """Pins that a session of the provider's ends as soon as its code, or its person, is one of the station's own."""
    browser = Browser(station)
    await signed_in(browser)
    people = read(station.people)
    save(station.people, [*people, replace(people[0], code="n.seven")])
    assert (await browser.me())["signed_in"] is False
    save(station.people, people)
    await signed_in(browser)
    link(station, "nurse-1", "0b7c")
    assert (await browser.me())["signed_in"] is False
    assert provider.claims["sub"] == "0b7c"


async def test_two_people_never_act_under_one_code(station: Station, provider: FakeProvider) -> None:
    """Pins that for half a day a code is one subject's, signed out or not: the record could not tell two apart."""
    first, again, second = Browser(station), Browser(station), Browser(station)
    await signed_in(first)
    assert (await signed_in(again))["outcome"] == "signed-in"
    await first.post("/api/sign-out", {})
    await again.post("/api/sign-out", {})
    provider.claims = provider.claims | {"sub": "somebody else"}
    assert "somebody else today" in (await signed_in(second))["reason"]
    station.now += 43_200
    assert (await signed_in(second))["outcome"] == "signed-in"


async def test_nobody_is_two_people_by_another_name(station: Station, provider: FakeProvider) -> None:
    """Pins the order by two: who has another code at the provider than this morning can't confirm their own order."""
    browser = Browser(station)
    await signed_in(browser)
    provider.claims = provider.claims | {"preferred_username": "n.eight"}
    ended = await signed_in(browser)
    assert (ended["outcome"], "another code to you" in ended["reason"]) == ("refused", True)
    link(station, "nurse-1", "0b7c")
    await signed_in(browser)
    assert (await browser.me())["person"]["code"] == "nurse-1"


async def test_a_long_token_is_not_kept_for_an_address(station: Station, provider: FakeProvider) -> None:
    """Pins the bound on what signing out says to the provider: no more than an address can hold."""
    browser = Browser(station, ELSEWHERE)
    asked = await begun(browser)
    await back(browser, code="x" * LONGEST_HINT, state=asked["state"])
    await browser.me()
    left = (await browser.post("/api/sign-out", {})).body["leave"]
    assert "id_token_hint" not in left
    assert "post_logout_redirect_uri" in left
    assert provider.redeemed


@pytest.mark.parametrize("name", sorted(DEMAND))
async def test_what_weighs_most_wants_the_provider_again(station: Station, provider: FakeProvider, name: str) -> None:
    """Pins re-authentication: asked with prompt=login, by the same person, for a minute; a password is none here."""
    provider.claims["groups"] = ["leads"]
    browser = Browser(station, ELSEWHERE)
    await signed_in(browser)
    assert (await browser.do(name)).body["field"] == "again"
    refused = await browser.post("/api/again", {"password": "any"})
    assert (refused.status, "no password here" in refused.body["error"]) == (403, True)
    cookie = browser.jar["igw"]
    asked = await begun(browser, again=True)
    assert (asked["prompt"], asked["max_age"]) == ("login", "0")
    station.now += 20
    assert await back(browser, code="c", state=asked["state"]) == {"outcome": "again", "reason": ""}
    assert provider.redeemed[-1]["begun_s"] == station.now - 20
    assert browser.jar["igw"] == cookie
    await browser.me()
    assert (await browser.do(name)).status == 200
    station.now += 60
    assert (await browser.do(name)).status == 403
    assert len(station.ward.asked) == 1


async def test_nobody_else_says_again_for_one(station: Station, provider: FakeProvider) -> None:
    """Pins that another person at the provider, or one who has left meanwhile, opens nothing for a session."""
    browser = Browser(station)
    await signed_in(browser)
    mine, provider.claims = provider.claims, provider.claims | {"sub": "somebody else", "groups": ["leads"]}
    ended = await signed_in(browser, again=True)
    assert (ended["outcome"], "somebody else" in ended["reason"]) == ("refused", True)
    assert (await browser.me())["person"]["code"] == "n.seven"
    assert (await browser.do("order")).status == 403
    provider.claims = mine
    asked = await begun(browser, again=True)
    await browser.post("/api/sign-out", {})
    assert "signed out meanwhile" in (await back(browser, code="c", state=asked["state"]))["reason"]
    assert (await browser.post("/api/openid", {"again": True})).status in (401, 403)
    own = Browser(station)
    await own.sign_in("nurse-1")
    assert (await own.post("/api/openid", {"again": True})).status == 401


async def test_who_may_less_meanwhile_acts_by_that(station: Station, provider: FakeProvider) -> None:
    """Pins that asking again asks for the groups, too: taken out of one, an order is not let through by the old."""
    provider.claims["groups"] = ["leads"]
    browser = Browser(station)
    await signed_in(browser)
    provider.claims["groups"] = ["ward"]
    assert (await signed_in(browser, again=True))["outcome"] == "again"
    assert (await browser.me())["person"]["role"] == "viewer"
    assert (await browser.do("order")).body["field"] == "role"
    provider.claims["groups"] = []
    assert "none of your groups" in (await signed_in(browser, again=True))["reason"]
    assert station.ward.asked == []


async def test_where_others_stand_too_everybody_is_asked(station: Station, provider: FakeProvider) -> None:
    """Pins that at a shared screen nobody is signed in by what an earlier one left at the provider; a phone is own."""
    here, phone = Browser(station), Browser(station, ELSEWHERE)
    assert (await begun(here))["prompt"] == "login"
    assert "prompt" not in await begun(phone)
    await phone.enrol("doctor-1", "wall-1", "wall")
    asked = await begun(phone)
    assert asked["max_age"] == "0"
    await back(phone, code="c", state=asked["state"])
    assert provider.redeemed[-1]["begun_s"] == station.now


async def test_a_sign_in_ends_the_one_before(station: Station, provider: FakeProvider) -> None:
    """Pins that whoever was signed in at this browser isn't any more, though the way back brings no strict cookie."""
    browser = Browser(station, ELSEWHERE)
    await browser.sign_in("doctor-1")
    copy = Browser(station, ELSEWHERE)
    copy.jar = {"igw": browser.jar["igw"]}
    await signed_in(browser)
    assert (await browser.me())["person"]["code"] == "n.seven"
    assert (await copy.me())["signed_in"] is False
    assert provider.redeemed


async def test_signing_out_leads_to_the_provider_where_it_offers_that(station: Station, provider: FakeProvider) -> None:
    """Pins RP-initiated logout: the local session ends, and who signed in by the provider is told where to leave it."""
    browser = Browser(station, ELSEWHERE)
    await signed_in(browser)
    left = (await browser.post("/api/sign-out", {})).body
    url = urlsplit(left["leave"])
    assert url.geturl().startswith(f"{ISSUER}/logout?")
    assert dict(parse_qsl(url.query)) == {
        "client_id": "infusion-station", "id_token_hint": "token of code",
        "post_logout_redirect_uri": "http://127.0.0.1:8420/openid/done",
    }  # fmt: skip
    assert (left["signed_in"], (await browser.me())["signed_in"]) == (False, False)
    await browser.sign_in("nurse-1")
    assert (await browser.post("/api/sign-out", {})).body["leave"] is None
    provider.offered = replace(provider.offered, end="")
    await signed_in(browser)
    assert (await browser.post("/api/sign-out", {})).body["leave"] is None


async def test_the_provider_away_is_said_and_the_station_s_own_still_sign_in(
    station: Station, provider: FakeProvider
) -> None:
    """Pins that nothing at the bedside hangs on the provider: said in words, passwords still count."""
    browser = Browser(station)
    asked = await begun(browser)
    provider.fails = Away("it did not answer within 5 s")
    refused = await browser.post("/api/openid", {})
    assert refused.status == 503
    assert "login.clinic.example can't be asked: it did not answer within 5 s" in refused.body["error"]
    assert "code and password" in refused.body["error"]
    ended = await back(browser, code="c", state=asked["state"])
    assert (ended["outcome"], "code and password" in ended["reason"]) == ("refused", True)
    assert (await browser.sign_in("nurse-1")).status == 200


async def test_many_failed_ones_wait_and_nobody_else_does(station: Station, provider: FakeProvider) -> None:
    """Pins the delay: what the provider refuses is counted by address, as wrong passwords are; others go on."""
    provider.fails = Refused("the provider refused the sign-in: invalid_grant")
    browser, other = Browser(station, ELSEWHERE), Browser(station, "192.0.2.8")
    for _ in range(FREE):
        assert "invalid_grant" in (await signed_in(browser))["reason"]
    await browser.me()
    assert (await browser.post("/api/openid", {})).status == 429
    provider.fails = None
    assert (await signed_in(other))["outcome"] == "signed-in"
    station.now += 60
    assert (await signed_in(browser))["outcome"] == "signed-in"


async def test_a_flood_of_begun_ones_costs_its_own_address_alone(station: Station) -> None:
    """Pins the bound on what is remembered: who begins thousands loses their own oldest ones, nobody else's."""
    nurse, flood = Browser(station, "192.0.2.8"), Browser(station, ELSEWHERE)
    asked = await begun(nurse)
    await flood.me()
    for _ in range(FLOWS + 20):
        assert (await flood.post("/api/openid", {})).status == 200
    assert (await back(nurse, code="c", state=asked["state"]))["outcome"] == "signed-in"


async def test_only_the_stations_own_page_begins_one(station: Station) -> None:
    """Pins that no other site's page or form starts a sign-in in somebody's browser."""
    browser = Browser(station)
    await browser.me()
    for wrong in ({"origin": "https://evil.example"}, {"x_igw_csrf": ""}, {"content_type": "text/plain"}):
        assert (await browser.post("/api/openid", {}, **wrong)).status in (403, 415)
    assert (await browser.get("/openid/return?state=x", sec_fetch_site="cross-site")).status == 403
    assert (await browser.post("/api/openid", {"to": "https://evil.example"})).status == 400
    assert (await browser.get("/openid/done", **CROSS)).status == 200


@pytest.mark.parametrize("host", ["127.0.0.1:8420@evil.example", "127.0.0.1:84 20", "127.0.0.1:x"])
async def test_the_way_back_is_the_stations_own(station: Station, host: str) -> None:
    """Pins that no Host makes another address of the way back."""
    browser = Browser(station)
    await browser.me()
    browser.host = host
    assert (await browser.post("/api/openid", {})).status == 400


async def test_there_is_none_where_none_is_configured(tmp_path: Path) -> None:
    """Pins that a station without a provider has no door for one, and says so to its page."""
    browser = Browser(Station(tmp_path))
    me = await browser.me()
    assert (me["openid"], me["again"]) == (None, [])
    assert (await browser.post("/api/openid", {})).status == 404
    assert (await browser.get("/openid/return")).status == 404
    assert SESSIONS > 0
