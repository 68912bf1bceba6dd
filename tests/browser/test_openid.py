"""Signing in by the clinic's identity provider in a real browser: its window, the way back, and the strict cookies."""

from pathlib import Path
from typing import Any

import pytest

from browser.conftest import _watched
from identity_provider import IdentityProvider
from openid_station import station


def test_somebody_signs_in_is_asked_again_and_signs_out(chromium: Any, tmp_path: Path) -> None:
    """Pins the button: a window of its own, to another site and back; the page stays, learns of it, and leaves both."""
    provider = IdentityProvider(secret="s3cret/ with=signs")
    context = chromium.new_context(timezone_id="UTC")
    context.set_default_timeout(20_000)
    try:
        with station(tmp_path, provider) as url:
            page = context.new_page()
            wrong = _watched(page)
            page.goto(url)
            page.get_by_role("button", name="Sign in", exact=True).click()
            with context.expect_page() as opened:
                page.get_by_role("button", name="Sign in at localhost").click()
            view = opened.value
            view.get_by_label("account").fill("anna")
            view.locator('input[type="password"]').fill("password of anna")
            assert page.get_by_text("The beds stay here").is_visible()
            with view.expect_event("close"):
                view.get_by_role("button").click()
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


@pytest.fixture(autouse=True)
def _nothing_left(tmp_path: Path) -> Any:
    """Show that no secret and no token is in the station's log."""
    yield
    said = (tmp_path / "station.log").read_text()
    assert "s3cret" not in said
    assert "a.anders" not in said
