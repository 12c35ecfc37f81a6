"""Which of several processes is the publisher's."""

from __future__ import annotations

import os

import pytest

from fanout.observe.attach import NotFound, files
from fanout.observe.publishers import main_of, parent_of


@pytest.mark.parametrize(
    ("holders", "publisher", "expected"),
    [
        ({10: 1, 11: 10, 12: 10}, 10, 10),
        ({30: 1, 31: 30, 32: 30}, 7, 30),  # in a container it takes itself for 7
        ({11: 1, 12: 1}, 10, 11),  # it is gone, its workers are not yet
        ({8: 9, 9: 8}, 1, 8),  # nonsense: still one of them
    ],
)
def test_the_publisher_is_the_parent_of_its_workers(
    holders: dict[int, int], publisher: int, expected: int
) -> None:
    assert main_of(holders, publisher) == expected


def test_a_parent_is_found_whatever_the_process_is_called() -> None:
    assert parent_of(os.getpid()) == os.getppid()
    assert parent_of(1 << 30) == 0


def test_a_file_of_that_name_is_no_memory_file(tmp_path: os.PathLike[str]) -> None:
    """A pipe of that name would be waited for."""
    path = os.path.join(tmp_path, "memfd:fanout-log")
    os.mkfifo(path)
    pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    found = files(os.getpid())
    os.close(pipe)
    assert f"/proc/{os.getpid()}/fd/{pipe}" not in map(str, found.values())
    with pytest.raises(NotFound):
        files(1 << 30)
