"""What a commissioning holds for: the exact bytes of the configuration, and of the clinic's own register profiles."""

import hashlib

from infusion_gateway.config.settings import Settings


def digest(settings: Settings) -> str:
    """Give the sha256, in hex, that a commissioning record must carry; OSError where a profile can't be read.

    Session protocols are not in it: they are signed by themselves. The shipped drivers are the version's.
    """
    whole = hashlib.sha256(f"configuration {settings.digest}\n".encode())
    extra = settings.gateway.extra_profiles
    for path in sorted(extra.glob("*.toml")) if extra is not None else ():
        whole.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()
