"""`watch` into a pipe: what another program reads, line by line, while the gateway speaks."""

import asyncio
import json
import sys
from pathlib import Path

SHIPPED = Path(__file__).parents[2] / "config" / "bedside.toml"
ROOT = "igw/v1/clinic-a/gateway-1/chair-1"


def configured(directory: Path) -> Path:
    """Write a configuration whose gateway speaks on a socket of the test's."""
    own = f'state_directory = "{directory}"\nsocket = "{directory}/watch.sock"'
    lines = SHIPPED.read_text().splitlines()
    text = "\n".join(own if line.startswith("state_directory") else line for line in lines)
    (directory / "bedside.toml").write_text(text)
    return directory / "bedside.toml"


async def test_each_line_comes_while_the_gateway_speaks(tmp_path: Path) -> None:
    """Pins that nothing is kept back: silence, a bed and an event are each read while the command still runs."""
    connected: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    command = (sys.executable, "-m", "infusion_gateway", "watch", "-c", str(configured(tmp_path)))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None

    async def read(words: str) -> str:
        async with asyncio.timeout(20):
            while words not in (line := (await process.stdout.readline()).decode()):  # type: ignore[union-attr]  # held above
                assert line, "it has ended"
        return line

    try:
        assert "nothing yet" in await read("NO WORD FROM THE GATEWAY")
        server = await asyncio.start_unix_server(lambda _, one: connected.put_nowait(one), tmp_path / "watch.sock")
        writer = await asyncio.wait_for(connected.get(), 20)
        session = {"phase": "infusing", "supervision": "ok", "generation_mode": "test", "order": None}
        happened = {"time": "2026-11-22T07:15:00.000Z", "data": {"reason": "patient asks"}}
        for kind, payload in (("session", session), ("event/stop-asked", happened)):
            writer.write(json.dumps({"topic": f"{ROOT}/{kind}", "payload": payload}).encode() + b"\n")
        assert await read("stop-asked") == "07:15:00 chair-1 stop-asked: patient asks\n"
        line = await read("INFUSING")
        assert "chair-1 INFUSING supervision ok TEST: NO PATIENT" in line
        assert "\x1b" not in line
        assert process.returncode is None
        writer.close()
        server.close()
    finally:
        process.kill()
        await process.wait()
