"""Publishers of a test's own process that have no more memory than nearly all tests need.

By default one has a log of 64 MiB and 16,384 slots for subscribers, 108 MiB with all that is beside
them, and 22 MiB more if it keeps last values. The system clears, maps and takes back all of it:
80 ms of a core, and 20 ms of each worker. The tests make two thousand publishers, for a handful of
subscribers and messages each, so what a test does not say itself is less here. Programs that the
tests run, the examples of the documentation among them, have what users have.
"""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest.mock import patch

from fanout import LastValues, Options

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20
PUBLISHER = {"log_bytes": 8 * MIB, "max_subscribers": 2_048}
VALUES = {"max_bytes": 2 * MIB}


@contextmanager
def modest_publishers() -> Iterator[None]:
    """A block in which these are the defaults of `Options` and of `LastValues`."""
    of_options = Options.__init__.__kwdefaults__
    assert of_options is not None
    assert of_options.keys() >= PUBLISHER.keys()
    make = inspect.unwrap(LastValues.__init__)
    of_values = {name: one.default for name, one in inspect.signature(make).parameters.items()}
    assert of_values.keys() >= VALUES.keys()
    less = tuple({**of_values, **VALUES}.values())[1:]  # without `self`
    with patch.dict(of_options, PUBLISHER), patch.object(make, "__defaults__", less):
        yield
