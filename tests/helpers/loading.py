"""Has pytest load the files of tests, and make nothing of them: `-p tests.helpers.loading`.

So that they are compiled, as pytest compiles them, and the sources are read for hypothesis. To make
8,900 tests of what is loaded takes as long again, and each process that runs them does it itself.
"""

from __future__ import annotations

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem() -> list[pytest.Item]:
    """No name in a file is a test."""
    return []
