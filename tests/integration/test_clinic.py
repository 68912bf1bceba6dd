"""A gateway and a terminal at a clinic's broker: certificates, access list and signatures together, as shipped."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from bench.inside import Placed, configuration
from bench.outside import Registers
from bench.signed_gateway import OWN, STATION
from brokers import free_port
from clinic import Clinic
from signing_keys import key_file, public

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
BED, SITE = "bed-1", "clinic-a"


async def command(*arguments: str) -> tuple[int, str]:
    """Run `infusion-gateway`; give its exit code and all that it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "infusion_gateway", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode()


def asking(clinic: Clinic, certificate: str, key: Path, *more: str) -> tuple[str, ...]:
    """Ask for a hold with this certificate and this key."""
    broker = ("--broker", f"mqtts://localhost:{clinic.port}", "--ca-file", f"{clinic.tls}/ca.pem")
    pair = ("--certificate-file", f"{clinic.tls}/{certificate}.pem", "--key-file", f"{clinic.tls}/{certificate}.key")
    where = ("--site", SITE, "--gateway", "gateway-1", "--bed", BED, "--by", "nurse-1", "--station", certificate)
    signs = ("--sign-with", str(key), "--kid", "station-1", "--gateway-key", str(public(OWN)))
    return ("session", "hold", *broker, *pair, *where, *signs, *more)


async def lasting(port: int) -> dict[str, float]:
    """Read of the gateway's figures how many days each certificate is good for."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return {}
    writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
    text = (await reader.read()).decode()
    writer.close()
    rows = re.findall(r'certificate_seconds_left\{certificate="([^"]+)"\} (\S+)', text)
    return {name: float(seconds) / 86400 for name, seconds in rows}


@pytest.mark.requirement("S42", "S43")
async def test_a_terminal_asks_over_tls_and_a_viewer_can_not(tmp_path: Path) -> None:
    """Pins that the shipped access list lets a gateway work and a station ask, and no viewer, whatever key it has."""
    clinic = Clinic(tmp_path)
    clinic.start()
    monitor, figures = Registers(7), free_port()
    beds = {BED: (Placed("monitor", "bench_monitor", await monitor.listen()),)}
    path = configuration(tmp_path, "BROKER", beds, period="1 s", protocols='"test-short"')
    files = "".join(
        f'{key} = "{clinic.tls}/{name}"\n'
        for key, name in (("ca_file", "ca.pem"), ("certificate_file", "gateway-1.pem"), ("key_file", "gateway-1.key"))
    )
    text = path.read_text().replace('site = "bench"', f'site = "{SITE}"')
    more = f'metrics = "127.0.0.1:{figures}"\nkey_file = "{key_file(OWN, tmp_path / "own.key")}"\n'
    text = text.replace('mode = "test"\n', f'mode = "test"\n{more}')
    text = text.replace('url = "BROKER"\n', f'url = "mqtts://localhost:{clinic.port}"\n{files}')
    path.write_text(f'{text}[[key]]\nkid = "station-1"\npublic = "{public(STATION)}"\nroles = ["clinician"]\n')
    own = key_file(STATION, tmp_path / "station-1.key")
    with (tmp_path / "gateway.log").open("wb") as log:
        arguments = ("-m", "infusion_gateway", "run", "-c", str(path))
        gateway = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=log, stderr=log)
    try:
        async with asyncio.timeout(40):
            while b"broker connected" not in (tmp_path / "gateway.log").read_bytes():  # noqa: ASYNC110 - it is another's file
                await asyncio.sleep(0.2)
        async with asyncio.timeout(20):
            while len(await lasting(figures)) < 3:  # noqa: ASYNC110 - another process is asked
                await asyncio.sleep(0.2)
        found = await lasting(figures)
        assert set(found) == {"the gateway's", "the authority's", "the broker's"}
        assert all(360 < days < 3660 for days in found.values()), "a year, the authority ten"
        code, out = await command(*asking(clinic, "station-1", own))
        assert (code, "refused: " in out) == (1, True), out
        assert "sign" not in out, "it came in, was believed, and there is nothing to hold"
        code, out = await command(*asking(clinic, "wall-1", own, "--patience", "2 s"))
        assert (code, "no answer" in out or "refuses" in out) == (1, True), out
        said = (tmp_path / "gateway.log").read_bytes()
        assert b"refuses" not in said, "nothing that the gateway does is denied to it"
        assert b"PRIVATE KEY" not in said
        assert b"Traceback" not in said
    finally:
        gateway.terminate()
        await asyncio.wait_for(gateway.wait(), 20)
        clinic.kill()
