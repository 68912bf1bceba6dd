"""uPlot in the package: fetched by npm where it is missing, kept where it is there, said where it can't be had."""

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NPM = """#!/bin/sh
[ "$1" = ci ] && [ -f package-lock.json ] || exit 3
mkdir -p node_modules/uplot/dist
echo "export default 1" > node_modules/uplot/dist/uPlot.esm.js
echo "a{}" > node_modules/uplot/dist/uPlot.min.css
echo MIT > node_modules/uplot/LICENSE
"""


def loaded() -> Any:
    """Load the hook as hatchling does."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Give a source directory with a hook, a PATH of its own, and what the hook warned of."""
    for name in ("package.json", "package-lock.json"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.delenv("INFUSION_GATEWAY_WITHOUT_UPLOT", raising=False)
    module, warned = loaded(), list[str]()
    app = SimpleNamespace(display_warning=warned.append)
    hook = module.UplotHook(str(tmp_path), {}, None, None, str(tmp_path), "wheel", app)
    return SimpleNamespace(module=module, hook=hook, warned=warned, root=tmp_path, vendor=tmp_path / module.VENDOR)


def put_npm(bench: SimpleNamespace, text: str) -> None:
    """Put an npm of our own first on the PATH."""
    npm = bench.root / "bin/npm"
    npm.write_text(text)
    npm.chmod(0o755)


def test_the_lock_file_pins_by_hash_and_names_no_address() -> None:
    """Pins that every package of the lock file has its hash, and that no registry is named."""
    text = (ROOT / "package-lock.json").read_text()
    assert "http" not in text
    assert "resolved" not in text
    packages = [value for name, value in json.loads(text)["packages"].items() if name]
    assert packages
    assert all(package["integrity"].startswith("sha512-") for package in packages)


def test_what_is_missing_is_fetched_once(bench: SimpleNamespace) -> None:
    """Pins that npm brings the files, a second build asks for nothing, and another lock file asks again."""
    put_npm(bench, NPM)
    bench.hook.initialize("standard", {})
    assert {path.name for path in bench.vendor.iterdir()} == {"uPlot.esm.js", "uPlot.min.css", "LICENSE", "uplot.lock"}
    (bench.root / "bin/npm").unlink()
    assert bench.hook.dependencies() == []
    bench.hook.initialize("standard", {})
    (bench.root / "package-lock.json").write_text("{}")
    put_npm(bench, "#!/bin/sh\necho 'npm error it is offline' >&2; exit 1\n")
    with pytest.raises(RuntimeError, match="it is offline"):
        bench.hook.initialize("standard", {})


def test_a_package_is_not_built_without_it_unless_asked(
    bench: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pins that a package is refused without uPlot, an editable install warned of, and one asked for built."""
    put_npm(bench, "#!/bin/sh\necho 'npm error it is offline' >&2; exit 1\n")
    with pytest.raises(RuntimeError, match="builds without the large trends"):
        bench.hook.initialize("standard", {})
    assert bench.warned == []
    bench.hook.initialize("editable", {})
    assert len(bench.warned) == 1
    assert "it is offline" in bench.warned[0]
    monkeypatch.setenv("INFUSION_GATEWAY_WITHOUT_UPLOT", "1")
    bench.hook.initialize("standard", {})
    assert not bench.vendor.exists()


def test_node_comes_as_a_wheel_only_where_there_is_none(
    bench: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pins that the build asks for a wheel with Node.js where no npm is found, and for none where there is one."""
    monkeypatch.setenv("PATH", str(bench.root / "bin"))
    assert bench.hook.dependencies() == [bench.module.NODE]
    put_npm(bench, NPM)
    assert bench.hook.dependencies() == []
