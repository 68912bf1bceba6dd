"""Sessions, delays and PINs of the station, with time passed in."""

from pathlib import Path

import pytest

from infusion_gateway.station.people import People, Person, read, save
from infusion_gateway.station.signin import (
    EACH,
    FREE,
    LONGEST_DELAY_S,
    LONGEST_PIN_DELAY_S,
    SESSIONS,
    Delays,
    Denied,
    Place,
    SignIn,
)  # fmt: skip
from station_page import CHEAP, PIN, Browser, Station, secret

HERE = Place("127.0.0.1", known=True)
AWAY = Place("192.0.2.7", known=False)
OTHER = Place("192.0.2.8", known=False)


@pytest.fixture
def station(tmp_path: Path) -> Station:
    """Give a station's page with three people."""
    return Station(tmp_path)


async def tried(sign_in: SignIn, code: str, password: str, place: Place) -> int:
    """Sign in; give 200, or what it was refused with."""
    try:
        await sign_in.sign_in(code, password, place, None)
    except Denied as denied:
        return denied.status
    return 200


async def test_a_sign_in_always_gives_another_id(station: Station) -> None:
    """Pins W3: an id that somebody planted is never the one of the session, and what was before it has ended."""
    browser = Browser(station)
    browser.jar["igw"] = "planted"
    answer = await browser.sign_in("nurse-1")
    first = browser.jar["igw"]
    assert first != "planted"
    assert len(first) >= 43
    flags = answer.headers["set-cookie"].lower()
    assert "httponly" in flags
    assert "samesite=strict" in flags
    await browser.sign_in("nurse-1")
    old = Browser(station)
    old.jar["igw"] = first
    assert (await old.me())["signed_in"] is False


async def test_who_signs_in_again_and_again_signs_out_nobody_else(station: Station) -> None:
    """Pins that one person's sessions have a bound of their own, of which the longest untouched end first."""
    browser = Browser(station)
    await browser.sign_in("nurse-1")
    sign_in = station.sign_in
    viewer = Person("viewer-9", "viewer", "viewer", "")
    cookies = []
    for _ in range(SESSIONS):
        station.now += 1
        cookies.append(sign_in.known(viewer, "sub-9", "", before=""))
    assert [sign_in.looking(cookie) is not None for cookie in cookies] == [False] * (SESSIONS - EACH) + [True] * EACH
    assert (await browser.me())["signed_in"] is True


async def test_what_was_signed_out_is_worth_nothing(station: Station) -> None:
    """Pins W3: a copied cookie ends with its session."""
    browser = Browser(station)
    await browser.sign_in("doctor-1")
    copy = Browser(station, "192.0.2.7")
    copy.jar = dict(browser.jar)
    assert (await copy.me())["signed_in"] is True
    await browser.post("/api/sign-out", {})
    assert (await copy.me())["person"] is None
    assert (await copy.do("stop")).status == 401
    assert (await copy.get("/events")).status == 401


async def test_over_tls_the_cookie_is_the_hosts_own(tmp_path: Path) -> None:
    """Pins that over TLS no other host, and no answer in the clear, can set or read the cookie; and HSTS."""
    browser = Browser(Station(tmp_path, secure=True))
    answer = await browser.sign_in("nurse-1")
    assert answer.headers["set-cookie"].startswith("__Host-igw=")
    assert "; Secure" in answer.headers["set-cookie"]
    assert "strict-transport-security" in answer.headers


async def test_who_touches_nothing_acts_no_more_and_looks_until_the_last_hour(station: Station) -> None:
    """Pins the idle and the absolute end: looking is no touch, acting is."""
    browser = Browser(station, "192.0.2.7")
    await browser.sign_in("nurse-1")
    station.now += 899
    assert (await browser.do("hold")).status == 200
    station.now += 899
    assert (await browser.me())["signed_in"] is True
    station.now += 1
    assert (await browser.me())["signed_in"] is False
    assert (await browser.do("hold")).status == 401
    assert (await browser.get("/events")).status == 200
    station.now = 1000 + 43_200
    assert (await browser.get("/events")).status == 401


@pytest.mark.parametrize("change", ["removed", "password"])
async def test_who_is_removed_or_has_another_password_is_out_at_once(station: Station, change: str) -> None:
    """Pins that a running station reads its people anew."""
    browser = Browser(station, "192.0.2.7")
    await browser.sign_in("nurse-1")
    others = [one for one in read(station.people) if one.code != "nurse-1"]
    again = [Person("nurse-1", "Nurse", "clinician", CHEAP.hash("another password"))] if change == "password" else []
    save(station.people, others + again)
    assert (await browser.me())["signed_in"] is False
    assert (await browser.get("/events")).status == 401


async def test_wrong_passwords_wait_longer_and_longer_and_never_for_ever(station: Station) -> None:
    """Pins the growing delay for a person and for an address, and its end."""
    sign_in = station.sign_in
    assert [await tried(sign_in, "nurse-1", "wrong", AWAY) for _ in range(6)] == [401] * 5 + [429]
    assert await tried(sign_in, "nurse-1", secret("nurse-1"), OTHER) == 429
    assert await tried(sign_in, "doctor-1", secret("doctor-1"), AWAY) == 429
    assert await tried(sign_in, "doctor-1", secret("doctor-1"), OTHER) == 200
    station.now += 1.01
    assert await tried(sign_in, "nurse-1", "wrong", AWAY) == 401
    station.now += 1.01
    assert await tried(sign_in, "nurse-1", "wrong", AWAY) == 429
    station.now += 1
    assert await tried(sign_in, "nurse-1", secret("nurse-1"), OTHER) == 200


async def test_strangers_tries_keep_nobody_from_a_screen(station: Station) -> None:
    """Pins that who tries a nurse's password from elsewhere holds up neither her sign-in at a screen nor her PIN."""
    for _ in range(5):
        await tried(station.sign_in, "nurse-1", "wrong", AWAY)
    assert await tried(station.sign_in, "nurse-1", secret("nurse-1"), HERE) == 200
    assert (await station.sign_in.by_pin(PIN["nurse-1"], HERE)).code == "nurse-1"


async def test_wrong_pins_wait_for_seconds_and_at_one_screen(station: Station) -> None:
    """Pins that acknowledging is never locked out: five seconds at most, and not at the next screen."""
    for _ in range(30):
        station.now += LONGEST_PIN_DELAY_S
        with pytest.raises(Denied) as denied:
            await station.sign_in.by_pin("0000", HERE)
        assert denied.value.status == 401
    with pytest.raises(Denied) as denied:
        await station.sign_in.by_pin(PIN["nurse-1"], HERE)
    assert denied.value.status == 429
    assert denied.value.after_s <= LONGEST_PIN_DELAY_S
    assert (await station.sign_in.by_pin(PIN["nurse-1"], Place("192.0.2.9", known=True))).code == "nurse-1"
    station.now += LONGEST_PIN_DELAY_S
    assert (await station.sign_in.by_pin(PIN["nurse-1"], HERE)).code == "nurse-1"


async def test_wrong_pins_count_at_one_screen_whatever_address_it_shares(station: Station) -> None:
    """Pins that of two screens behind one address the other takes a PIN at once, and one is no other at its next."""
    one, other = (Place("192.0.2.7", known=True, screen=name) for name in ("wall-1", "desk-1"))
    for _ in range(FREE):
        with pytest.raises(Denied):
            await station.sign_in.by_pin("0000", one)
    assert (await station.sign_in.by_pin(PIN["nurse-1"], other)).code == "nurse-1"
    with pytest.raises(Denied, match="wait"):
        await station.sign_in.by_pin(PIN["nurse-1"], Place("192.0.2.8", known=True, screen="wall-1"))


async def test_this_machine_is_one_address(station: Station) -> None:
    """Pins that a program here does not begin anew by another of the loopback's addresses."""
    for place in range(FREE):
        with pytest.raises(Denied):
            await station.sign_in.by_pin("0000", Place(f"127.0.0.{place + 1}", known=True))
    for address in ("127.99.0.1", "::1", "::ffff:127.0.0.1"):
        with pytest.raises(Denied, match="wait"):
            await station.sign_in.by_pin(PIN["nurse-1"], Place(address, known=True))


@pytest.mark.parametrize("pin", ["", "1", "123", "abcd", "2468 ", "٢٤٦٨", "0" * 13])
async def test_what_is_no_pin_is_not_looked_for(station: Station, pin: str) -> None:
    """Pins a PIN's form: ASCII digits, so many."""
    with pytest.raises(Denied):
        await station.sign_in.by_pin(pin, HERE)


async def test_a_pin_that_was_known_ends_with_its_change(station: Station) -> None:
    """Pins that remembering a PIN outlives neither its change nor its person."""
    assert (await station.sign_in.by_pin(PIN["nurse-1"], HERE)).code == "nurse-1"
    save(station.people, [one for one in read(station.people) if one.code != "nurse-1"])
    with pytest.raises(Denied):
        await station.sign_in.by_pin(PIN["nurse-1"], HERE)


def test_delays_are_bounded() -> None:
    """Pins that neither the delay nor what is remembered of addresses grows without end, and that it is forgotten."""
    delays = Delays(LONGEST_DELAY_S)
    for n in range(6000):
        delays.begin((f"from {n}",), 0.0)
    assert len(delays._wrong) <= 4096
    for _ in range(2000):
        delays.begin(("from x",), 1.0)
    assert delays.left_s(("from x",), 1.0) == LONGEST_DELAY_S
    delays.begin(("from x",), 2000.0)
    assert delays.left_s(("from x",), 2000.0) <= 0


def test_an_ipv6_network_is_one_address() -> None:
    """Pins that a subscriber's 2^64 addresses are one, and that a mapped IPv4 is itself."""
    assert Place("2001:db8::1", known=False).key == Place("2001:db8::ffff:2", known=False).key
    assert Place("2001:db8:0:1::1", known=False).key != Place("2001:db8::1", known=False).key
    assert Place("::ffff:192.0.2.1", known=False).key != Place("::ffff:192.0.2.2", known=False).key


def test_a_broken_file_leaves_those_of_before(tmp_path: Path) -> None:
    """Pins that a slip of an editor signs nobody in and nobody out."""
    path = tmp_path / "people.toml"
    save(path, [Person("nurse-1", "Nurse 1", "clinician", CHEAP.hash("x"))])
    people = People(path)
    path.write_text("[[person]\n")
    assert [one.code for one in people.all()] == ["nurse-1"]
