"""What a publish carries beside its payload: packed once for all that share it, and the same bytes."""

import subprocess
import sys

import pytest

from infusion_gateway.runtime.mqtt import JSON, _made_of_publish, _of_publish

LOADED = """
import sys
from importlib import import_module
from infusion_gateway.cli_run import _without
with _without("rich"):
    import_module("infusion_gateway.runtime.main")
print("rich" in sys.modules, "pygments" in sys.modules, "cryptography" in sys.modules)
import rich.text
print(rich.text.Text("found again"))
"""


@pytest.mark.parametrize("expires_s", [None, 10])
def test_what_is_shared_is_packed_as_paho_packs_it(expires_s: int | None) -> None:
    """Pins that the bytes kept are those that paho would pack anew, and that they are packed once."""
    shared = _of_publish(JSON, expires_s)
    assert shared is _of_publish(JSON, expires_s)
    assert shared.pack() == _made_of_publish(JSON, expires_s).pack()
    assert shared.pack() is shared.pack()


def test_an_answer_s_correlation_is_in_nobody_else_s_properties() -> None:
    """Pins that what is made for one message leaves what is shared as it was."""
    one = _made_of_publish(JSON, 60)
    one.CorrelationData = b"asked-1"
    assert b"asked-1" in one.pack()
    assert b"asked-1" not in _of_publish(JSON, 60).pack()


def test_the_gateway_loads_nothing_that_it_does_not_use() -> None:
    """Pins the memory: no terminal library, which others still find, and no cryptography where nobody signs."""
    found = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True).stdout
    assert found.splitlines() == ["False False False", "found again"]
