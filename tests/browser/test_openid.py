"""Signing in by the clinic's identity provider in a real browser: its window, the way back, and the strict cookies."""

from pathlib import Path
from typing import Any

import pytest

from browser import ward_of_beds as made
from browser.conftest import _watched
from browser.fake_station import FakeStation
from browser.looking import judge
from identity_provider import IdentityProvider
from openid_station import station as real_station

pytestmark = pytest.mark.slow(6)

SIGNED_IN = {
    "signed_in": True, "person": {"code": "a.anders", "title": "a.anders", "role": "clinician"},
    "openid": "login.clinic.example", "again": ["openid"],
}  # fmt: skip


def prove(context: Any, page: Any, button: str, account: str) -> None:
    """Touch a button of the page, sign in in the window that opens, and wait until that has closed itself."""
    with context.expect_page() as opened:
        page.get_by_role("button", name=button).click()
    view = opened.value
    view.get_by_label("account").fill(account)
    view.locator('input[type="password"]').fill(f"password of {account}")
    assert page.get_by_text("The beds stay here").is_visible()
    with view.expect_event("close"):
        view.get_by_role("button").click()


def test_somebody_signs_in_and_out(chromium: Any, tmp_path: Path) -> None:
    """Pins the button: a window of its own, to another site and back; the page stays, learns of it, says why not."""
    provider = IdentityProvider(secret="s3cret/ with=signs")
    context = chromium.new_context(timezone_id="UTC")
    context.set_default_timeout(20_000)
    try:
        with real_station(tmp_path, provider) as url:
            provider.people["eve"] = {"sub": "e", "preferred_username": "e.e", "groups": []}
            page = context.new_page()
            wrong = _watched(page)
            page.goto(url)
            page.get_by_role("button", name="Sign in", exact=True).first.click()
            judge(page, "the sheet to sign in")
            prove(context, page, "Sign in at localhost", "eve")
            page.get_by_text("none of your groups at the provider (groups) has a role here").wait_for()
            prove(context, page, "Sign in at localhost", "anna")
            page.get_by_role("button", name="Sign out a.anders").wait_for()
            assert page.url == f"{url}/"
            assert provider.asked[-1]["prompt"] == "login"  # this machine's own screen is everybody's
            kept = {one["name"]: one["sameSite"] for one in context.cookies(url)}
            assert (kept["igw"], kept["igw-openid"]) == ("Strict", "Lax")
            with context.expect_page() as opened:
                page.get_by_role("button", name="Sign out a.anders").click()
            page.get_by_role("button", name="Sign in", exact=True).wait_for()
            if not opened.value.is_closed():
                opened.value.wait_for_event("close")
            assert "logout" in provider.log
            assert not wrong
    finally:
        context.close()
        provider.close()
    said = (tmp_path / "station.log").read_text()
    assert "s3cret" not in said
    assert "a.anders" not in said


def test_before_an_order_the_provider_is_asked_again(page: Any, context: Any, station: FakeStation) -> None:
    """Pins re-authentication: no password is asked of who has none, and what was entered goes on by itself."""
    station.me |= SIGNED_IN
    path = "/api/beds/west/one/do/extend"
    station.answer(path, {"error": "extend wants your password again", "field": "again"}, status=403)
    station.answer("/api/openid", {"to": f"{station.url}/static/openid.html"})

    def ended(route: Any) -> None:
        if route.request.method == "GET":
            station.answer(path, {"outcome": "accepted", "reason": "ends at 10:40", "id": "1"})
            route.fulfill(json={"outcome": "again", "reason": ""})
        else:
            route.fallback()

    context.route("**/api/openid", ended)
    station.gateways = [made.gateway()]
    station.beds |= {"west/one": made.bed("one")}
    page.goto("/#/bed/west/one")
    page.locator('.act[data-do="extend"]').click()
    page.locator('.sheet [name="more_s"]').fill("10")
    page.locator('.sheet [name="reason"]').fill("slower than thought")
    page.get_by_role("button", name="Send").click()
    page.get_by_text("sign in at login.clinic.example once more").first.wait_for()
    assert page.locator('.sheet input[type="password"]').count() == 0
    with context.expect_page() as opened:
        page.get_by_role("button", name="Show at login.clinic.example that it is you").click()
    page.get_by_text("Accepted. ends at 10:40").first.wait_for()
    if not opened.value.is_closed():
        opened.value.wait_for_event("close")
    assert station.posted("/api/openid") == [{"again": True}]
    sent = {"arguments": {"more_s": 600, "reason": "slower than thought"}, "case": "case-4711"}
    assert station.posted(path) == [sent, sent]


def test_the_provider_away_is_said_where_one_signs_in(page: Any, context: Any, station: FakeStation) -> None:
    """Pins that the sheet says so in words, the code and password still beside it, and no empty window stays."""
    station.me |= {"openid": "login.clinic.example", "again": []}
    away = "login.clinic.example can't be asked: no connection. Sign in with your code and password, or try again"
    station.answer("/api/openid", {"error": away}, 503)
    page.goto("/")
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("button", name="Sign in at login.clinic.example").click()
    page.get_by_text(away).wait_for()
    assert page.locator('.sheet input[type="password"]').is_visible()
    for _ in range(50):
        if len(context.pages) == 1:
            break
        page.wait_for_timeout(50)
    assert context.pages == [page]
    station.answer("/api/openid", {"to": "javascript:alert(1)"})
    page.get_by_role("button", name="Sign in at login.clinic.example").click()
    page.get_by_text("gave no address").wait_for()
