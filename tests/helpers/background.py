"""Has tests that are started in the background heed what those in the foreground heed.

A shell without job control has all that it starts by `&` ignore SIGINT and SIGQUIT, and so do all
that these start: what is interrupted by a test to see it end would go on, as it must for users.
"""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Before anything is started."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGQUIT) is signal.SIG_IGN:
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)
