"""Workloads: which cases there are, and what is made of what was measured."""

from __future__ import annotations

import inspect
import itertools
import math
import resource
from contextlib import closing
from itertools import product
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import zmq

import fanout.asyncio
from benchmarks import verb_costs
from benchmarks.children import OTHER_DESCRIPTORS, require_descriptors
from benchmarks.peers import PEERS
from benchmarks.peers.fanout import policy_of
from benchmarks.session import InvalidRun
from benchmarks.stock import Stock
from benchmarks.traffic import PROBE_TOPIC
from benchmarks.verbs import CALLS, VERBS
from benchmarks.wire import DIALECTS
from benchmarks.workloads import WORKLOADS, Settings, conflate, curve_beside
from benchmarks.workloads import bounds as bounds_workload
from benchmarks.workloads.base import dropping
from benchmarks.workloads.curve_beside import Lap
from benchmarks.workloads.idle import above_the_first
from benchmarks.workloads.isolation import BURST, BURSTS, LIMIT_BYTES, figures_of
from fanout import Batch, Publisher, SlowPolicy
from tests.helpers.waiting import DEADLINE_S

KIB = 1024


def _subscribers(workload: str, settings: Settings) -> list[int]:
    return [case.traffic.subscribers for case in WORKLOADS[workload].cases(settings)]


def test_idle_subscribers_are_measured_by_the_thousand_and_by_the_ten_thousand() -> None:
    assert _subscribers("idle", Settings()) == [1000, 10_000]
    assert _subscribers("idle", Settings(quick=True)) == [1000]
    assert _subscribers("idle", Settings(subscribers=(5,))) == [5]


def test_the_first_metric_of_idle_is_the_memory_for_each_subscriber() -> None:
    assert WORKLOADS["idle"].metrics[0].name == "bytes_per_subscriber"
    assert above_the_first(7 * KIB, 7 * KIB + 999 * 3 * KIB, 1000) == 3 * KIB


def test_too_few_open_files_are_said_before_the_first_socket() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    require_descriptors(hard - OTHER_DESCRIPTORS)
    with pytest.raises(OSError, match=f"the hard limit is {hard:,}"):
        require_descriptors(hard)


def test_single_has_one_worker_one_thread_and_one_sender_under_their_own_names() -> None:
    kinds = {kind.name: dict(kind.options) for kind in WORKLOADS["single"].kinds(Settings())}
    assert list(kinds) == ["fanout", "fanout-batch", "libzmq-1io", "limit"]
    assert kinds["fanout"]["workers"] == kinds["fanout-batch"]["workers"] == 1
    assert kinds["fanout-batch"]["batch"] > 1
    assert kinds["libzmq-1io"]["io_threads"] == kinds["limit"]["senders"] == 1


def test_single_has_the_loads_that_other_engines_publish() -> None:
    cases = WORKLOADS["single"].cases(Settings())
    loads = [(case.traffic.subscribers, case.traffic.payload_bytes) for case in cases]
    assert loads == [(32, 64), (32, 256), (32, 1024), (32, 4096), (32, 16 * 1024)]


def test_firehose_takes_every_load_that_is_asked_for() -> None:
    subscribers, sizes = (10, 100, 1000, 5000), (32, 128, 1024, 16 * KIB, 256 * KIB)
    cases = WORKLOADS["firehose"].cases(Settings(subscribers=subscribers, sizes=sizes))
    loads = {(case.traffic.subscribers, case.traffic.payload_bytes) for case in cases}
    assert loads == set(product(subscribers, sizes))
    assert len({case.label for case in cases}) == len(cases) == 20


def test_firehose_has_the_rows_of_other_engines_unless_it_is_told_which() -> None:
    workload = WORKLOADS["firehose"]
    loads = [
        (case.traffic.subscribers, case.traffic.payload_bytes)
        for case in workload.cases(Settings())
    ]
    assert loads[-5:] == [(32, size) for size in (64, 256, KIB, 4 * KIB, 16 * KIB)]
    for told in (Settings(quick=True), Settings(subscribers=(10,)), Settings(sizes=(128,))):
        assert 32 not in [case.traffic.subscribers for case in workload.cases(told)]


def test_only_pyzmq_takes_the_options_of_a_socket() -> None:
    kinds = WORKLOADS["publish-cost"].kinds(Settings(peers=("libzmq-1io", "libzmq-c-1io")))
    assert "send_hwm" in dict(kinds[0].options)
    assert dict(kinds[1].options) == dict(PEERS["libzmq-c-1io"].options)
    assert dropping(PEERS["libzmq-c-1io"], 10) is PEERS["libzmq-c-1io"]


def test_isolation_measures_who_loses_and_never_waits_for_it() -> None:
    """Nobody healthy is to lose what comes at once, and who stalls is at its limit before."""
    isolation = WORKLOADS["isolation"]
    [case] = isolation.cases(Settings())
    fanout, *libzmq, nats = isolation.kinds(Settings())
    payload_bytes = case.traffic.payload_bytes
    message_bytes = DIALECTS["zmtp"].message_bytes(len(PROBE_TOPIC), payload_bytes)

    assert (case.traffic.subscribers, nats.name) == (99, "nats")
    assert dict(fanout.options)["block"] == 0
    assert all(dict(kind.options)["nodrop"] == 0 for kind in libzmq)
    assert all(dict(kind.options)["send_hwm"] > BURST for kind in libzmq)
    assert BURST * message_bytes < LIMIT_BYTES < BURSTS * BURST * message_bytes / 10


def test_isolation_has_medians_of_the_laps_and_the_most_of_all() -> None:
    laps = {
        0: [(1.0, 10.0, 0.0, 100.0), (3.0, 30.0, 0.0, 90.0), (2.0, 20.0, 0.0, 80.0)],
        1: [(1.0, 11.0, 0.0, 70.0)],
        20: [(4.0, 24.0, 0.0, 60.0)],
    }
    figures = figures_of(laps)

    assert (figures["p50_0"], figures["p99_0"], figures["max_0"]) == (2.0, 20.0, 100.0)
    assert figures["p99_growth"] == pytest.approx(1.2)
    assert {metric.name for metric in WORKLOADS["isolation"].metrics} == {*figures}


def test_plain_beside_sealed_has_medians_and_what_they_are_of_a_fair_share() -> None:
    alone = [Lap(10.0, 1.0, 4.0), Lap(30.0, 3.0, 6.0), Lap(20.0, 2.0, 5.0)]
    beside = [Lap(12.0, 2.0, 8.0), Lap(9.0, 2.0, 9.0), Lap(6.0, 2.0, 10.0)]
    apart = [curve_beside.Times(1.0, 7.5), curve_beside.Times(1.0, 5.0)]
    figures = curve_beside.figures_of(alone, beside, [1.0, 7.0, 2.0], apart)

    assert (figures["rate_alone"], figures["rate_beside"], figures["rate_sealed"]) == (20, 9, 2)
    assert figures["share"] == pytest.approx(0.9)
    assert figures["p99_of_alone"] == pytest.approx(1.8)
    assert figures["p99_growth"] == pytest.approx(9 / 6.25)
    assert {metric.name for metric in WORKLOADS["curve-beside"].metrics} == {*figures}
    assert _subscribers("curve-beside", Settings()) == [100]


def test_conflate_has_the_same_bytes_at_another_rate_and_lists_of_topics() -> None:
    workload = WORKLOADS["conflate"]
    cases = workload.cases(Settings())
    loads = [(case.traffic.subscribers, case.traffic.watched) for case in cases]
    rates = [case.per_second for case in cases if isinstance(case, conflate.Load)]

    assert loads == [(1, 0), (100, 0), (1000, 0), (1000, 0), (1000, 100)]
    assert rates == [10_000, 10_000, 10_000, 40_000, 10_000]
    assert {case.traffic.topics for case in cases} == {1000}
    assert len({case.label for case in cases}) == 5


def test_conflate_is_beside_those_who_lose_messages() -> None:
    """And has no limit of its own, below which it would get everything."""
    kinds = {kind.name: dict(kind.options) for kind in WORKLOADS["conflate"].kinds(Settings())}

    assert list(kinds) == ["fanout", "fanout-oldest", "libzmq-1io"]
    assert kinds["fanout"]["conflate"] == 1
    assert "slow_limit_bytes" not in kinds["fanout"]
    assert (kinds["fanout-oldest"].get("conflate"), kinds["fanout-oldest"]["block"]) == (None, 0)
    assert kinds["fanout-oldest"]["slow_limit_bytes"] == conflate.LIMIT_BYTES
    assert kinds["libzmq-1io"]["nodrop"] == 0


def test_conflate_counts_what_subscribers_cost_above_none() -> None:
    figures = conflate.figures_of(1_000, 3.0, 1.0, 4_000_000)

    assert figures == {
        "cpu_per_message": 0.002,
        "bytes_per_message": 4_000,
        "cpu_per_byte": 5e-7,
        "cpu_alone": 0.001,
    }
    assert {metric.name for metric in WORKLOADS["conflate"].metrics} == {*figures}


class Feed:
    """A publisher that takes as long as is said."""

    def __init__(self, seconds: float) -> None:
        self.processes = SimpleNamespace(precise_cpu_seconds=iter((3.0, 5.0)).__next__)
        self.spread = Mock(return_value=seconds)


def test_where_conflate_does_not_keep_its_pace_there_is_no_figure() -> None:
    """Slow readers read at speeds of their own: behind a slower feed they are not slow."""
    kept: Any = Feed(1.15)  # of 1.0 s: a tenth more, and 0.1 s
    assert conflate._spread(kept, 1_000, 1_000) == 2.0
    kept.spread.assert_called_once_with(1_000, 1_000)
    late: Any = Feed(1.25)
    with pytest.raises(InvalidRun, match=r"the pace was not kept: 1\.25 s for 1,000 messages"):
        conflate._spread(late, 1_000, 1_000)


@pytest.mark.slow
def test_conflate_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conflate, "PER_SECOND", 1_000)
    monkeypatch.setattr(conflate, "WARM_UP_SECONDS", 0.5)
    monkeypatch.setattr(conflate, "PASS_SECONDS", 0.2)
    monkeypatch.setattr(conflate, "TOPICS", 10)
    # How busy this machine is, is no matter of the test: what is told is counted. That a pace which
    # was not kept makes no figure is tested above.
    monkeypatch.setattr(conflate, "PACE_SLACK", math.inf)
    workload = WORKLOADS["conflate"]
    settings = Settings(subscribers=(2,), seconds=0.2, peers=("fanout",))
    sample = workload.measure(workload.kinds(settings)[0], workload.cases(settings)[0], settings)

    assert sample.invalid == ""
    assert sample.values["bytes_per_message"] > 0


def verbs_of(owner: type) -> set[str]:
    functions = dict(inspect.getmembers_static(owner, inspect.isroutine))
    return {name for name in functions if name == "publish" or name.startswith("send")}


def test_publish_cost_has_every_verb_of_every_sender() -> None:
    cases = WORKLOADS["publish-cost"].cases(Settings(subscribers=(7,)))
    rows = {case.label.split(", 128 B")[0]: case.peers or () for case in cases}
    measured = {
        label: {row.removeprefix("asyncio ").removeprefix("batch ") for row in found}
        for label, found in rows.items()
    }
    verbs = {
        label: {row.split()[0].rstrip(",") for row in found} for label, found in measured.items()
    }

    assert verbs.pop("7 subscribers") == {"fanout", "fanout-nice", "fanout-batch", "libzmq-1io"}
    assert verbs == {
        "verbs, blocking": verbs_of(Publisher),
        "verbs, blocking, in a batch": verbs_of(Batch),
        "verbs, asyncio": verbs_of(fanout.asyncio.Publisher),
        "verbs, asyncio, in a batch": verbs_of(fanout.asyncio.Batch),
    }
    for found in measured.values():
        if "publish" in found:
            assert {f"send_multipart of {frames}" for frames in (1, 2, 3)} <= found


def test_verbs_are_left_out_where_fanout_is() -> None:
    [case] = WORKLOADS["publish-cost"].cases(Settings(subscribers=(7,), peers=("libzmq-1io",)))
    assert case.peers == ("libzmq-1io",)


@pytest.mark.parametrize("name", VERBS)
def test_a_stretch_makes_so_many_calls_of_a_verb(name: str) -> None:
    class Counter:
        """A publisher, and a batch of it, that counts what is sent."""

        calls = 0

        def batch(self) -> Counter:
            return self

        def __enter__(self) -> Counter:
            return self

        def __exit__(self, *_error: object) -> None: ...

        async def __aenter__(self) -> Counter:
            return self

        async def __aexit__(self, *_error: object) -> None: ...

        def __getattr__(self, verb: str) -> Any:
            assert (
                verb
                == name.replace(",", "").replace("asyncio ", "").replace("batch ", "").split()[0]
            )
            return self.count_later if "await" in VERBS[name] else self.count

        def count(self, *_arguments: object, **_keywords: object) -> None:
            self.calls += 1

        async def count_later(self, *_arguments: object, **_keywords: object) -> None:
            self.calls += 1

    counter = Counter()
    loop = verb_costs.loop_of_verb(name)(counter)
    if loop is not None:
        with pytest.raises(StopIteration):
            loop.send(None)

    assert counter.calls == CALLS


def test_each_verb_has_a_publish_of_its_kind_beside_it() -> None:
    of_kind = {verb_costs.own_publish(name) for name in VERBS}
    kinds = ("", "batch ", "asyncio ", "asyncio batch ")
    assert of_kind == {f"{kind}publish" for kind in kinds} <= set(VERBS)
    assert verb_costs.own_publish("asyncio batch send") == "asyncio batch publish"


def test_a_verb_is_compared_with_what_was_measured_beside_it() -> None:
    """And what its value is encoded by is told apart."""
    publish, verb = itertools.cycle([1.0, 10.0]), itertools.cycle([3.0, 30.0])
    own = itertools.cycle([2.0, 20.0])

    figures = verb_costs.compare(
        "send", 4, lambda: next(publish), lambda: next(verb), lambda: next(own)
    )
    with_json = verb_costs.compare("send_json", 2, lambda: 1.0, lambda: 3.0)

    assert (figures["ratio"], figures["own_ratio"], figures["encoding_seconds"]) == (3.0, 1.5, 0.0)
    assert with_json["encoding_seconds"] > 0
    assert with_json["ratio"] == with_json["own_ratio"] < 3.0


def test_a_list_is_in_force_when_the_last_of_it_is() -> None:
    """Probes are on the topic that is asked for last, also by who has come back."""
    with (
        closing(Stock(3)) as stock,
        zmq.Context() as context,
        context.socket(zmq.XPUB) as publisher,
    ):
        publisher.setsockopt(zmq.LINGER, 0)
        publisher.setsockopt(zmq.RCVTIMEO, int(DEADLINE_S * 1000))
        # Else it keeps to itself what is wanted again before it has noticed who left.
        publisher.setsockopt(zmq.XPUB_VERBOSER, 1)
        port = publisher.bind_to_random_port("tcp://127.0.0.1")
        stock.connect(f"127.0.0.1:{port}")
        wanted = [publisher.recv() for _ in range(3)]
        publisher.send_multipart([PROBE_TOPIC, b""])
        assert stock.await_probe(DEADLINE_S)
        stock.reconnect()
        told = [publisher.recv() for _ in range(6)]  # of its end, and of what it wants again

    assert wanted == [b"\x01t0000000", b"\x01t0000001", b"\x01" + PROBE_TOPIC]
    assert [message for message in told if message[0]] == wanted


def test_bounds_are_each_measured_with_two_policies_and_without_and_never_reached() -> None:
    bounds = WORKLOADS["bounds"]
    kinds = {kind.name: dict(kind.options) for kind in bounds.kinds(Settings())}
    message_bytes = DIALECTS["zmtp"].message_bytes(len(PROBE_TOPIC), 128)

    assert [name for name, options in kinds.items() if options["block"]] == [
        *("block, none", "block, messages", "block, bytes", "block, age")
    ]
    assert len(kinds) == 8
    assert kinds["drop_oldest, none"] == {"block": 0}
    soft = SlowPolicy("block").soft
    messages = kinds["block, messages"]["limit_messages"]
    assert 0 < bounds_workload.BURST < messages * soft
    assert bounds_workload.BURST * message_bytes < kinds["block, bytes"]["limit_bytes"] * soft


def test_a_peer_has_the_limits_that_it_is_told() -> None:
    assert policy_of("block", {}) == "block"
    policy = policy_of("drop_oldest", {"limit_messages": 3, "limit_age": 60})
    assert policy == SlowPolicy("drop_oldest", limit_messages=3, limit_age=60)
