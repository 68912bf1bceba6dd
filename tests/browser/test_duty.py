"""Who is on duty, set on the page of a real station, and a message's link pressed on a phone, in a real browser."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from brokers import Mosquitto, Says, free_port
from browser.bay import until
from browser.looking import judge
from browser.shoot import PHONE
from infusion_gateway.ward.picture import Picture
from processes import COMMAND
from providers import Push
from station_page import secret, staff
from wards import SITE, Speaker, alarm

pytestmark = pytest.mark.slow(8)
CONFIGURATION = """
[broker]
url = "{broker}"
[station]
name = "station-1"
site = "{site}"
listen = "127.0.0.1:{port}"
people_file = "people.toml"
[station.notify]
file = "notify.json"
call = "ward 3, 4711"
link = "http://127.0.0.1:{port}"
repeat_s = 60
test_at = "00:00"
[[station.notify.person]]
code = "nurse-1"
urls_file = "nurse-1.urls"
[[station.notify.person]]
code = "doctor-1"
urls_file = "doctor-1.urls"
[[station.escalation]]
after_s = 0
to = ["duty-1"]
"""


@dataclass
class Ward:
    """A station that runs, the push service of its people, and the beds' gateway."""

    url: str
    push: Push
    gateway: Speaker

    def link(self, title: str) -> str:
        """Wait for a message of this title to the first on duty; give where its link leads."""
        found = until(lambda: [one for one in self.push.got if title in one["title"]], title)
        return re.findall(r"http://\S+/a/\S+", found[-1]["message"])[0]


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    """Run a broker, a push service and a station; doctor-1's provider is down."""
    broker, port = Mosquitto(tmp_path / "broker"), free_port()
    broker.start()
    staff(tmp_path / "people.toml")
    file = tmp_path / "station.toml"
    file.write_text(CONFIGURATION.format(broker=broker.url, site=SITE, port=port))
    with Push() as push:
        for code, at in (("nurse-1", push.server_port), ("doctor-1", free_port())):
            urls = tmp_path / f"{code}.urls"
            urls.write_text(f"json://127.0.0.1:{at}/\n")
            urls.chmod(0o600)
        command = [*COMMAND, "station", "-c", str(file)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("ready")
            yield Ward(f"http://127.0.0.1:{port}", push, Speaker(cast("Picture", Says(broker.port))))
        finally:
            process.terminate()
            process.wait(20)
            process.stdout.close() if process.stdout is not None else None
            broker.stop()


def test_on_duty_tested_told_and_taken(page: Any, chromium: Any, ward: Ward) -> None:
    """Pins the way a clinician goes: put on duty, the tests told, a link pressed on a phone; axe finds nothing."""
    page.goto(ward.url)
    page.locator('[data-notice="nobody"]').wait_for()
    page.get_by_role("button", name="Sign in").click()
    page.locator('input[name="person"]').fill("nurse-1")
    page.locator('input[name="password"]').fill(secret("nurse-1"))
    page.locator(".sheet button.go").click()
    page.get_by_role("button", name="Sign out").wait_for()
    page.locator('[data-do="duty"]').click()
    page.get_by_label("Place 1").select_option("nurse-1")
    page.get_by_label("Place 2").select_option("doctor-1")
    page.get_by_role("button", name="Set who is on duty").click()
    page.get_by_role("button", name="On duty: nurse-1, doctor-1").wait_for()
    page.locator('[data-notice="undelivered"]', has_text="doctor-1").wait_for()
    page.locator(".duty-people li", has_text="NOT DELIVERED").wait_for()
    judge(page, "the duty sheet")
    page.locator('[data-do="seen"]').click()
    page.locator('[data-notice="undelivered"]').wait_for(state="detached")

    phone = chromium.new_context(viewport=PHONE).new_page()
    try:
        phone.goto(ward.link("Test"))
        phone.get_by_role("button", name="It reached me").click()
        phone.get_by_role("heading", name="Test answered").wait_for()
        page.locator(".duty-people li", has_text="test answered").wait_for()
        ward.gateway.session("chair-3", 0.0)
        ward.gateway.alarms("chair-3", 0.0, alarm("spo2-low"))
        phone.goto(ward.link("HIGH"))
        assert "4711" in phone.locator("main").inner_text()
        judge(phone, "a link")
        phone.get_by_role("button", name="I have it").click()
        phone.get_by_text("has it.").wait_for()
        assert phone.locator("form").count() == 0
        phone.goto(f"{ward.url}/a/another")
        phone.get_by_role("heading", name="This link leads nowhere any more").wait_for()
    finally:
        phone.context.close()
    page.locator(".alarm-who", has_text="nurse-1 has it from away").wait_for()
    page.reload()
    page.locator('[data-do="duty"]').click()
    page.locator(".duty-lines li", has_text="has it").first.wait_for()
