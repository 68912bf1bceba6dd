"""A power cut in mid-session, and another boot: what was told is on record, and the session is stopped."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from faults import cuts
from faults.live import Live
from infusion_gateway.runtime.journal_store import Reader
from integration.test_journal import until

OTHER_BOOT = ("unshare", "--time", "--boottime", "1000")
"""A time namespace: the boot's own clock is another, as after a reboot."""
MB = 256


@pytest.mark.needs_root
@pytest.mark.slow
@pytest.mark.requirement("S28")
@pytest.mark.skipif(bool(cuts.why_not()), reason=cuts.why_not())
async def test_after_a_power_cut_and_another_boot_the_session_is_stopped(tmp_path: Path) -> None:
    """Pins the whole of it: everything that was ever told is on record after the cut, the pump is stopped, and said."""
    live = Live(tmp_path / "bed", seed=5)
    image, _ = cuts.made(tmp_path, mb=MB)
    live.state.mkdir(parents=True)
    try:
        with cuts.mounted(image, live.state):
            await live.open()
            nurse = asyncio.create_task(live.nurse())
            await live.phase("infusing", 25)
            await asyncio.sleep(4)
            nurse.cancel()
            await asyncio.gather(nurse, return_exceptions=True)
            assert live.stage.gateway.pid is not None
            os.kill(live.stage.gateway.pid, signal.SIGSTOP)  # nobody acknowledges anything while the power goes
            cuts.cut_power(live.state)
            await live.stage.kill("gateway")
        assert live.witness is not None
        told = set(live.witness.events)
        with cuts.mounted(image, live.state):
            recorded = {record.id for record in Reader(live.state).records()}
            assert told
            assert told <= recorded
            assert (await live.simulator("pump", "GET", "/state"))["delivery"] == "infusing"
            live.stage.gateway.command = [*OTHER_BOOT, *live.stage.gateway.command]
            began = time.monotonic()
            await live.stage.start("gateway")
            await until(lambda: live.witness.session.get("phase") not in ("infusing", "armed"), 15)
            while (pump := await live.simulator("pump", "GET", "/state"))["delivery"] != "stopped":
                assert time.monotonic() - began < 15
                await asyncio.sleep(0.2)
            assert pump["stopped_by"] == "remote", "the gateway did it, not the pump's own dead man"
            await live.told(15)
            await live.stage.gateway.end()
            found = live.judge(stepped=True)
            assert found.wrong == []
            starts = [e for e in live.witness.events.values() if e["type"] == "gateway-started"]
            assert [e["data"]["same_boot"] for e in starts][-1] is False
    finally:
        await live.close()
