"""Cores of use: what the machine, the affinity and the quota of the container leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.basics.cores import MEMBERSHIP, usable_cores
from fanout.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable

V2 = "/sys/fs/cgroup"
POD = "/kubepods.slice/pod1/container2"


def files(texts: dict[str, str]) -> Callable[[str], str]:
    """A machine that has these files only."""

    def read(path: str) -> str:
        if path not in texts:
            raise FileNotFoundError(2, "No such file or directory", path)
        return texts[path]

    return read


@pytest.mark.parametrize(
    ("texts", "cores"),
    [
        ({}, 8),
        ({MEMBERSHIP: "0::/\n", f"{V2}/cpu.max": "max 100000\n"}, 8),
        ({MEMBERSHIP: "0::/\n", f"{V2}/cpu.max": "200000 100000\n"}, 2),
        ({MEMBERSHIP: "0::/\n", f"{V2}/cpu.max": "150000 100000\n"}, 2),
        ({MEMBERSHIP: "0::/\n", f"{V2}/cpu.max": "10000 100000\n"}, 1),
        ({MEMBERSHIP: "0::/\n", f"{V2}/cpu.max": "6400000 100000\n"}, 8),
        ({MEMBERSHIP: "0::/\n", f"{V2}/cpu.max": "nonsense\n"}, 8),
        ({MEMBERSHIP: "0::/\n", f"{V2}/cpu.max": "-500000 -100000\n"}, 8),
        ({MEMBERSHIP: "0::/\n", f"{V2}/cpu.max": f"{'9' * 400} 1\n"}, 8),
        ({MEMBERSHIP: "0::/\n", f"{V2}/cpu.max": "100000 0\n"}, 8),
        ({f"{V2}/cpu.max": "300000 100000\n"}, 3),
        ({MEMBERSHIP: f"0::{POD}\n", f"{V2}{POD}/cpu.max": "300000 100000\n"}, 3),
        ({MEMBERSHIP: f"0::{POD}\n", f"{V2}/kubepods.slice/pod1/cpu.max": "100000 50000\n"}, 2),
        ({MEMBERSHIP: f"0::{POD}\n", f"{V2}/cpu.max": "100000 50000\n"}, 2),
    ],
    ids=[
        *("no files", "no quota", "two", "one and a half", "a tenth", "more than there are"),
        *("nonsense", "less than none", "beyond all numbers", "in no time"),
        *("no /proc", "its group", "a parent", "a host's path, seen from inside"),
    ],
)
def test_version_2(texts: dict[str, str], cores: int) -> None:
    assert usable_cores(8, files(texts)) == cores


@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize(("quota", "cores"), [("-1", 8), ("250000", 3), ("0", 8)])
@pytest.mark.parametrize("folder", ["", "/docker/abc"])
def test_version_1(mount: str, quota: str, cores: int, folder: str) -> None:
    texts = {
        MEMBERSHIP: "9:memory:/docker/abc\n3:cpuset:/\n2:cpu,cpuacct:/docker/abc\n",
        f"{V2}/{mount}{folder}/cpu.cfs_quota_us": f"{quota}\n",
        f"{V2}/{mount}{folder}/cpu.cfs_period_us": "100000\n",
    }

    assert usable_cores(8, files(texts)) == cores


def test_the_smallest_of_several_counts() -> None:
    texts = {
        MEMBERSHIP: "2:cpu:/a\n0::/b\n",
        f"{V2}/b/cpu.max": "400000 100000",
        f"{V2}/cpu.max": "600000 100000",
        f"{V2}/cpu/a/cpu.cfs_quota_us": "500000",
        f"{V2}/cpu/a/cpu.cfs_period_us": "100000",
    }

    assert usable_cores(8, files(texts)) == 4


def test_the_default_number_of_workers_follows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {MEMBERSHIP: "0::/\n", f"{V2}/cpu.max": "300000 100000\n"}
    monkeypatch.setattr("fanout.options._read", files(texts))
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: set(range(64)))

    assert Options().worker_count == 3
    assert Options(workers=7).worker_count == 7


def test_where_nobody_says_on_which_cores_the_process_may_run_all_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(_pid: int) -> set[int]:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("fanout.options._read", files({}))
    monkeypatch.setattr("os.sched_getaffinity", refused)
    monkeypatch.setattr("os.cpu_count", lambda: 5)

    assert Options().worker_count == 5
