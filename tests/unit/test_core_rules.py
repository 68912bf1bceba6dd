"""Rules that leave a good session alone, where no other test has reason to look."""

import pytest

from core_bed import Bed, bed_setup, depression_40
from infusion_gateway.model.session import Phase


@pytest.mark.rule("E13", "leaves alone")
def test_a_good_session_with_a_pump_that_cannot_be_stopped_asks_for_no_hand() -> None:
    """Pins that nothing about stopping is raised for a pump that is only read, from the order to the end."""
    bed = Bed(bed_setup(depression_40(), stoppable=False))
    bed.infuse()
    bed.run(40 * 60 - 10)
    assert bed.phase is Phase.INFUSING
    for code in ("stop-by-hand", "stop-not-confirmed", "delivering-after-stop"):
        assert bed.raised(code) == []
    assert bed.stops() == []
