"""Workers are killed and stopped for some seconds; each byte and each counter is looked at.

`scripts/soak chaos` does the same for longer, with more subscribers and at full rate.
"""

from __future__ import annotations

import pytest

from soaking.chaos.judging import is_documented
from soaking.chaos.people import KINDS
from soaking.chaos.report import report
from soaking.chaos.session import Session, Settings

SECONDS = 20.0
LOG_BYTES = 1 << 20


@pytest.mark.unmeasured
@pytest.mark.slow
@pytest.mark.usefixtures("children")
@pytest.mark.timeout(240)
def test_no_byte_is_lost_doubled_or_torn_whatever_happens_to_workers() -> None:
    settings = Settings(
        SECONDS, 26, seed=1, kinds=tuple(KINDS), log_bytes=LOG_BYTES, worker_timeout=3
    )

    found = Session(settings).run()

    assert found.is_whole, report(found)
    assert sum(found.ended.values()) == found.excused, report(found)  # none of TCP, whatever for
    assert all(map(is_documented, found.disconnects)), report(found)
    assert found.published_bytes > 5 * LOG_BYTES, "the log is hardly filled"
    assert found.waits > 5, "no cursor holds the publisher"
    assert found.faults > 5
    assert found.resumed > 24
    assert found.pongs > 100
