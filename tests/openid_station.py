"""A real station as a process of its own, whose clinic has an identity provider; its broker is away."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from brokers import free_port
from identity_provider import CLIENT, IdentityProvider
from infusion_gateway.station.people import Person, save
from processes import COMMAND
from station_page import CHEAP

PASSWORD = "a long password"
ANNA = {"sub": "a-17", "preferred_username": "a.anders", "groups": ["nurses"]}
"""Nobody of the station's own: a clinician by her group."""
DORA = {"sub": "d-4"}
"""The station's own doctor-1: their entry says so."""


@contextmanager
def station(directory: Path, provider: IdentityProvider) -> Iterator[str]:
    """Run it, with nurse-1 by password alone and doctor-1 by either; give its address. It ends when it is told to."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    provider.people = {"anna": ANNA, "dora": DORA}
    provider.redirects = {f"{url}/openid/return"}
    file = directory / "station.toml"
    secret = ""
    if provider.secret is not None:
        (directory / "openid.secret").touch(0o600)
        (directory / "openid.secret").write_text(f"{provider.secret}\n")
        secret = 'client_secret_file = "openid.secret"\n'
    file.write_text(
        f'[broker]\nurl = "mqtt://127.0.0.1:{free_port()}"\n[station]\nname = "station-1"\nsite = "test"\n'
        f'listen = "127.0.0.1:{port}"\npeople_file = "people.toml"\nscreens_file = "screens.toml"\n'
        f'[station.openid]\nissuer = "{provider.issuer}"\nclient_id = "{CLIENT}"\n{secret}'
        '[station.openid.roles]\nclinician = ["nurses"]\nsupervisor = ["leads"]\n'
    )
    hashed = CHEAP.hash(PASSWORD)
    nurse = Person("nurse-1", "Nurse 1", "clinician", hashed)
    save(directory / "people.toml", [nurse, Person("doctor-1", "Doctor 1", "supervisor", hashed, openid=DORA["sub"])])
    with (directory / "station.log").open("w") as log:
        command = [*COMMAND, "station", "-c", str(file)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"ready {url}\n", (directory / "station.log").read_text()
        yield url
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
