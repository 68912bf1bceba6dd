"""Pictures of the page with made-up beds: `PYTHONPATH=tests python tests/browser/shoot.py DIRECTORY [NAME…]`."""

import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from browser import looked_back
from browser import ward_of_beds as made
from browser.fake_station import FakeStation

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WALL = {"width": 1920, "height": 1080}
PHONE = {"width": 390, "height": 844}
TABLET = {"width": 1024, "height": 768}


OVER = {
    "/api/handover": looked_back.handovers(
        looked_back.handover("chair-1"), looked_back.handover("chair-2"), looked_back.quiet("chair-3"),
        looked_back.handover("chair-4", complete=False, why="3 events are missing here"),
    )
}  # fmt: skip
AUDIT = {"/api/audit": looked_back.audit()}


def shots() -> dict[str, dict[str, Any]]:
    """Say what is on each picture, as it is now: what counts down has just begun."""
    three = [made.spo2_low(), made.pressure_high(), made.cuff_overdue(signal="acknowledged", acknowledged_by="nurse-7")]
    alarmed = made.bed("chair-2", alarms=three, done=0.6, vitals=made.vitals() | {"spo2": made.value("spo2", 88)})
    bed = "#/bed/west/chair-2"
    return {
        "wall-1": {"beds": [made.bed("chair-1", alarms=[made.pressure_high()])]},
        "wall-8": {"beds": made.ward(8)},
        "wall-60": {"beds": made.ward(60)},
        "bed": {"beds": made.ward(8), "address": "#/bed/west/chair-1"},
        "alarm": {"beds": [alarmed], "address": bed, "press": "[data-do=acknowledge]"},
        "order": {
            "beds": [made.bed("chair-1", "idle"), *made.ward(8)[1:]],
            "address": "#/bed/west/chair-1",
            "told": {"/api/calls": []},
            "press": "[data-do=order]",
        },
        "phone": {"beds": made.ward(8), "size": PHONE},
        "phone-bed": {"beds": [alarmed], "size": PHONE, "address": bed},
        "light-8": {"beds": made.ward(8), "theme": "light"},
        "okabe-ito-8": {"beds": made.ward(8), "palette": "okabe-ito"},
        "grey-8": {"beds": made.ward(8), "sight": "achromatopsia"},
        "deuteranopia-8": {"beds": made.ward(8), "sight": "deuteranopia"},
        "lost-8": {"beds": made.ward(8), "lost": True},
        "handover": {"beds": made.ward(4), "address": "#/handover", "told": OVER, "wait": ".look-answers .look-row"},
        "handover-bed": {
            "beds": [alarmed],
            "address": "#/handover/west/chair-2",
            "told": OVER,
            "theme": "light",
            "size": PHONE,
            "wait": ".look-answers .look-row",
        },
        "audit": {"beds": made.ward(4), "address": "#/audit", "told": AUDIT, "press": ".look-form .go"},
        "call": {"told": {"/api/call": looked_back.call("told")}, "address": "call", "size": TABLET, "wait": ".call"},
        "call-phone": {
            "told": {"/api/call": looked_back.call("taken", by="Nurse 7")},
            "address": "call",
            "size": PHONE,
            "wait": ".call",
        },
    }


def shoot(page: Page, station: FakeStation, told: dict[str, Any], path: Path) -> None:
    """Take one picture."""
    station.reset()
    station.gateways = [made.gateway()]
    station.log = [made.happening(n, title, bed="chair-1", by=by) for n, (title, by) in enumerate(LOG, 1)]
    station.beds = {bed["key"]: bed for bed in told.get("beds", [])}
    for asked, body in told.get("told", {}).items():
        station.tell(asked, body)
        station.me |= {"signed_in": True, "person": {"code": "nurse-7", "title": "Nurse 7", "role": "clinician"}}
    if told.get("lost"):
        station.broker = {"connected": False, "why": "connection refused"}
    page.set_viewport_size(told.get("size", WALL))
    page.goto(station.url)
    chosen = {"theme": told.get("theme", "dark"), "palette": told.get("palette", "usual"), "profile": "wall"}
    page.evaluate(
        "chosen => { for (const [key, value] of Object.entries(chosen)) localStorage.setItem(key, value); }", chosen
    )
    page.goto(f"{station.url}/{told.get('address', '')}")
    page.reload()
    page.wait_for_selector(told.get("wait", ".tile, .look"))
    page.wait_for_timeout(1500)
    if "press" in told:
        page.locator(told["press"]).first.click()
    sight = page.context.new_cdp_session(page)
    sight.send("Emulation.setEmulatedVisionDeficiency", {"type": told.get("sight", "none")})
    station.show(*station.beds.values())  # as a gateway does every second
    page.wait_for_timeout(300)
    page.screenshot(path=path)
    sight.detach()


LOG = [
    ("acknowledged: spo2-low", "nurse-7"),
    ("spo2-low raised, high", None),
    ("infusing: T0", None),
    ("armed", None),
    ("confirmed", "doctor-2"),
    ("ordered", "nurse-7"),
]


def main(directory: str, *names: str) -> None:
    """Take the pictures of these names, or all."""
    out = Path(directory)
    out.mkdir(parents=True, exist_ok=True)
    station = FakeStation()
    wrong: list[str] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(timezone_id="UTC")
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        for name in names or shots():
            shoot(page, station, shots()[name], out / f"{name}.png")
        browser.close()
    station.close()
    sys.exit("\n".join(wrong) or None)


if __name__ == "__main__":
    main(*sys.argv[1:])
