"""The station's own small files: written whole, for their owner alone, and seen when somebody has changed them."""

import json
import os
import secrets
from pathlib import Path

PRIVATE = 0o600


def write(path: Path, text: str) -> None:
    """Put a file in the place of another at once and durably, mode 0600. OSError: the old one stays."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def quoted(text: str) -> str:
    """Write a printable text as a TOML basic string."""
    return json.dumps(text, ensure_ascii=False)


def stamp(path: Path | None) -> tuple[int, int, int] | None:
    """Give what changes whenever the file does; None: there is none."""
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return None
    return None if found is None else (found.st_mtime_ns, found.st_size, found.st_ino)
