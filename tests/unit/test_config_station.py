"""`[station]`: what it resolves to, in a gateway's file and in one of its own, and what is refused of it."""

from pathlib import Path

import pytest

from infusion_gateway.config.load import load
from infusion_gateway.config.signing import generate
from infusion_gateway.config.stations import load_station
from infusion_gateway.errors import ConfigError
from infusion_gateway.model.metric import MINUTE
from signing_keys import key_file, signer

ROOT = Path(__file__).parents[2]
ALONE = """
[broker]
url = "mqtt://127.0.0.1:1883"
[station]
name = "station-1"
site = "clinic-a"
"""


def written(directory: Path, text: str) -> Path:
    """Write a file."""
    path = directory / "station.toml"
    path.write_text(text)
    return path


def problems(directory: Path, text: str) -> dict[str, str]:
    """Give what is wrong with a file, by key."""
    with pytest.raises(ConfigError) as caught:
        load_station(written(directory, text))
    return {problem.key: f"{problem.problem}. {problem.remedy}" for problem in caught.value.problems}


def test_a_station_alone_needs_a_name_a_site_and_a_broker(tmp_path: Path) -> None:
    """Pins the least that a station's own file says, and what then holds: loopback, nobody signs in, no keys."""
    found = load_station(written(tmp_path, ALONE))
    assert (found.name, found.site, found.host, found.port) == ("station-1", "clinic-a", "127.0.0.1", 8420)
    assert (found.broker.host, found.broker.port) == ("127.0.0.1", 1883)
    assert (found.people, found.screens, found.signing_key, found.gateways) == (None, None, None, ())
    assert (found.kid, found.idle, found.signed_in_for) == ("station-1", 15 * MINUTE, 720 * MINUTE)
    assert "clinic-a" in problems(tmp_path, ALONE.replace('site = "clinic-a"\n', ""))["station.site"]


@pytest.mark.parametrize("address", ["0.0.0.0:8420", "10.0.0.7:8420", "[::]:8420", "station.clinic.example:443"])
def test_beyond_the_loopback_only_with_tls(tmp_path: Path, address: str) -> None:
    """Pins that a page that other machines reach without a certificate is refused, and taken with one."""
    text = f'{ALONE}listen = "{address}"\n'
    assert "in the clear" in problems(tmp_path, text)["station.listen"]
    for name in ("page.pem", "page.key"):
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(0o600)
    found = load_station(written(tmp_path, f'{text}certificate_file = "page.pem"\nkey_file = "page.key"\n'))
    assert found.certificate == tmp_path / "page.pem"
    assert found.key == tmp_path / "page.key"


def test_the_page_s_certificate_is_whole_and_its_key_nobody_else_s(tmp_path: Path) -> None:
    """Pins: certificate and key go together, can be read, and the key by this user alone."""
    assert "go together" in problems(tmp_path, f'{ALONE}key_file = "none"\n')["station.certificate_file"]
    assert "can't be read" in problems(tmp_path, f'{ALONE}key_file = "none"\n')["station.key_file"]
    (tmp_path / "open.key").write_text("x")
    (tmp_path / "open.key").chmod(0o644)
    assert "chmod 600" in problems(tmp_path, f'{ALONE}key_file = "open.key"\n')["station.key_file"]


@pytest.mark.parametrize("name", ["people_file", "screens_file"])
def test_people_and_screens_are_this_user_s_alone(tmp_path: Path, name: str) -> None:
    """Pins that a file of passwords may be missing yet, but not be readable by others or in no directory."""
    assert getattr(load_station(written(tmp_path, f'{ALONE}{name} = "p.toml"\n')), name.removesuffix("_file"))
    (tmp_path / "p.toml").write_text("")
    (tmp_path / "p.toml").chmod(0o640)
    assert "chmod 600" in problems(tmp_path, f'{ALONE}{name} = "p.toml"\n')[f"station.{name}"]
    assert "no directory" in problems(tmp_path, f'{ALONE}{name} = "nowhere/p.toml"\n')[f"station.{name}"]
    assert "no file" in problems(tmp_path, f'{ALONE}{name} = "../{tmp_path.name}"\n')[f"station.{name}"]


def test_gateways_are_known_by_their_keys(tmp_path: Path) -> None:
    """Pins that each gateway's keys are called as it is, from files and as text; what is none is refused."""
    public = generate(tmp_path / "g.key")
    found = load_station(
        written(tmp_path, f'{ALONE}gateways = {{ gateway-1 = ["g.key.pub"], gateway-2 = ["{public}"] }}\n')
    )
    assert [(key.kid, key.raw) for key in found.gateways] == [("gateway-1", public.raw), ("gateway-2", public.raw)]
    assert all(not key.instructions for key in found.gateways)
    wrong = problems(tmp_path, f'{ALONE}gateways = {{ gateway-1 = ["g.key"] }}\n')
    assert "private key" in wrong["station.gateways.gateway-1[0]"]


def test_a_broker_of_its_own_is_judged_where_it_stands(tmp_path: Path) -> None:
    """Pins that `[station.broker]` goes before `[broker]`, is told of at its own line, and is none to run."""
    found = load_station(written(tmp_path, f'{ALONE}[station.broker]\nurl = "mqtt://127.0.0.1:1999"\n'))
    assert found.broker.port == 1999
    text = f'{ALONE}[station.broker]\nurl = "mqtt://broker.example:1883"\n'
    with pytest.raises(ConfigError) as caught:
        load_station(written(tmp_path, text))
    (problem,) = caught.value.problems
    assert (problem.key, problem.line) == ("station.broker.url", len(text.splitlines()))
    embedded = f"{ALONE}[station.broker]\nembedded = true\nport = 1999\n"
    assert "runs no broker" in problems(tmp_path, embedded)["station.broker.embedded"]


def test_a_gateway_s_file_has_a_station_too(tmp_path: Path) -> None:
    """Pins that the shipped example with `[station]` loads both ways alike, its gateway's key found beside its own."""
    (tmp_path / "state").mkdir()
    generate(tmp_path / "gateway-1.key")
    text = (ROOT / "config/bedside.toml").read_text().replace("../var/gateway-1", "state")
    text = text.replace("[broker]", 'key_file = "gateway-1.key"\n\n[broker]', 1)
    path = written(tmp_path, f'{text}\n[station]\nname = "station-1"\n')
    station = load(path).station
    assert station == load_station(path)
    assert station is not None
    assert (station.site, [key.kid for key in station.gateways]) == ("clinic-a", ["gateway-1"])
    both = written(tmp_path, path.read_text() + 'site = "clinic-b"\n')
    for read in (load, load_station):
        with pytest.raises(ConfigError, match="says another one"):
            read(both)


def test_a_station_s_problems_don_t_hide_a_gateway_s(tmp_path: Path) -> None:
    """Pins that `check` tells of both at once, and that a station starts beside a bed that is wrong."""
    text = (ROOT / "config/bedside.toml").read_text().replace('id = "chair-1"', 'id = "CHAIR"')
    path = written(tmp_path, f'{text}\n[station]\nname = "station-1"\nlisten = "0.0.0.0:1"\n')
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert {"station.listen", "bed[0].id"} <= {problem.key for problem in caught.value.problems}
    path = written(tmp_path, f'{text}\n[station]\nname = "station-1"\n')
    assert load_station(path).name == "station-1"


def test_where_keys_are_enrolled_a_station_signs_with_one_of_them(tmp_path: Path) -> None:
    """Pins that a station that would sign nothing, or with a key that nobody enrolled, is refused."""
    own = signer("station-1")
    key_file(own, tmp_path / "s.key")
    enrolled = '[gateway]\nsite = "clinic-a"\n[[key]]\nkid = "station-1"\n'
    text = ALONE.replace('site = "clinic-a"\n', "")
    assert "sign nothing" in problems(tmp_path, text + enrolled)["station.signing_key_file"]
    signs = f'{text}signing_key_file = "s.key"\n{enrolled}'
    assert load_station(written(tmp_path, signs)).signing_key == tmp_path / "s.key"
    other = problems(tmp_path, signs.replace('kid = "station-1"', 'kid = "station-2"'))
    assert "no key called 'station-1' is enrolled" in other["station.signing_key_file"]
    named = signs.replace("signing_key_file", 'kid = "station-2"\nsigning_key_file', 1)
    assert (
        load_station(written(tmp_path, named.replace('\nkid = "station-1"', '\nkid = "station-2"'))).kid == "station-2"
    )


@pytest.mark.parametrize("raw", ["station = 7", "[[station]]\nname = 1", "[station]", '[station]\nname = "A B"'])
def test_what_is_no_station_is_refused(tmp_path: Path, raw: str) -> None:
    """Pins that a table that can't be read is a problem with a place, never an exception of another kind."""
    assert problems(tmp_path, f'{raw}\n[broker]\nurl = "mqtt://127.0.0.1:1883"\n')


NOTIFY = """
[station.notify]
file = "notify.json"
call = "ward 3, 4711"
repeat_s = 60
test_at = "07:30"
[[station.notify.person]]
code = "nurse-1"
urls_file = "nurse-1.urls"
[[station.escalation]]
after_s = 0
to = ["duty-1"]
[[station.escalation]]
after_s = 45
to = ["duty", "nurse-1"]
"""
URL = "mailtos://user:pass-word@mail.example?to=nurse-1@example.org"


def with_urls(directory: Path, text: str = f"# how\n{URL}\n\n", mode: int = 0o600) -> None:
    """Write the file of URLs."""
    (directory / "nurse-1.urls").write_text(text)
    (directory / "nurse-1.urls").chmod(mode)


def test_who_is_told_and_when_is_resolved(tmp_path: Path) -> None:
    """Pins what [station.notify] resolves to, and that no URL shows where settings are shown."""
    with_urls(tmp_path)
    found = load_station(written(tmp_path, ALONE + NOTIFY)).notify
    assert found is not None
    assert (found.file, found.link, found.day_starts) == (tmp_path / "notify.json", "", 450)
    assert found.people == {"nurse-1": (URL,)}
    assert [(step.after / 1e9, step.to) for step in found.steps] == [(0, ("duty-1",)), (45, ("duty", "nurse-1"))]
    assert "pass-word" not in repr(found)
    assert load_station(written(tmp_path, ALONE)).notify is None


@pytest.mark.parametrize(
    ("before", "after", "key", "says"),
    [
        ("after_s = 0", "after_s = 5", "station.escalation[0].after_s", "at once"),
        ("after_s = 45", "after_s = 0", "station.escalation[1].after_s", "not after"),
        ('"duty-1"', '"doctor-9"', "station.escalation[0].to", "doctor-9 can't be reached"),
        ('"duty-1"', '"duty-9"', "station.escalation[0].to", "duty-9 can't be reached"),
        ('code = "nurse-1"', 'code = "duty-1"', "station.notify.person[0].code", "no person's code"),
        ('call = "ward 3, 4711"', 'cal = "x"', "station.notify.cal", "`call`"),
        ("repeat_s = 60", "repeat_s = 1", "station.notify.repeat_s", "15"),
        ('test_at = "07:30"', 'test_at = "25:00"', "station.notify.test_at", "07:30"),
        ('call = "ward', 'link = "http://ward-3:1"\ncall = "ward', "station.notify.link", "https"),
        ('call = "ward', 'link = "https://a:1/x"\ncall = "ward', "station.notify.link", "https"),
        ('file = "notify.json"', 'file = "no/notify.json"', "station.notify.file", "no directory"),
        ('"nurse-1.urls"', '"other.urls"', "station.notify.person[0].urls_file", "can't be read"),
    ],
)
def test_what_is_wrong_with_telling_is_said(tmp_path: Path, before: str, after: str, key: str, says: str) -> None:
    """Pins that each key and step which can't be is refused where it stands, in words with a way out."""
    with_urls(tmp_path)
    assert before in NOTIFY
    assert says in problems(tmp_path, ALONE + NOTIFY.replace(before, after, 1))[key]


@pytest.mark.parametrize(
    ("text", "mode", "says"),
    [
        (URL, 0o644, "chmod 600"),
        ("# nothing\n", 0o600, "0 URLs"),
        (f"{URL}\n" * 5, 0o600, "5 URLs"),
        (f"{URL}\nno url at all", 0o600, "number 2"),
        ("x://" + "y" * 2000, 0o600, "number 1"),
    ],
)
def test_a_file_of_urls_is_private_and_of_urls(tmp_path: Path, text: str, mode: int, says: str) -> None:
    """Pins that URLs which others may read, or that are none, are refused, and none of them is repeated."""
    with_urls(tmp_path, text, mode)
    found = problems(tmp_path, ALONE + NOTIFY)["station.notify.person[0].urls_file"]
    assert says in found
    assert "pass-word" not in found


def test_steps_and_who_is_told_go_together(tmp_path: Path) -> None:
    """Pins that neither steps without people nor people without steps are taken."""
    with_urls(tmp_path)
    tables, steps = NOTIFY.split("[[station.escalation]]", 1)
    assert "whom next" in problems(tmp_path, ALONE + tables)["station.escalation"]
    assert "nobody to tell" in problems(tmp_path, f"{ALONE}[[station.escalation]]{steps}")["station.escalation"]
