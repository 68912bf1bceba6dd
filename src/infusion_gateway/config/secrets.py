"""Where secrets are: files that only this user may read, or credentials that systemd hands to the service.

`credential:NAME` is the file NAME in `$CREDENTIALS_DIRECTORY` (systemd.exec(5), LoadCredential=). No secret ever stands
in a configuration, an environment variable or an argument.
"""

import os
import re
import stat
from pathlib import Path

from infusion_gateway.config.document import absolute

CREDENTIAL = "credential:"
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def place(file: Path, written: str) -> Path:
    """Say where a secret named in `file` is; ValueError, with the way out, where a credential can't be found."""
    if not written.startswith(CREDENTIAL):
        return absolute(file, written)
    name = written.removeprefix(CREDENTIAL)
    if not _NAME.fullmatch(name) or name in (".", ".."):
        raise ValueError(f"{name[:40]!r} is no credential's name: letters, digits, hyphens, underscores and points")
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        raise ValueError(f"systemd has handed no credentials over: LoadCredential={name}:/PATH in the unit, or a path")
    return Path(directory) / name


def exposed(path: Path) -> bool:
    """Say whether others may read it. In systemd's own directory the group's bits stand for the service user's ACL."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    ours = bool(directory) and path.parent == Path(directory or "/")
    return bool(path.stat().st_mode & (stat.S_IRWXO if ours else stat.S_IRWXG | stat.S_IRWXO))
