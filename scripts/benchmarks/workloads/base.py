"""What a workload is: cases, and how one peer is measured on one of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from benchmarks.peers import PEERS
from benchmarks.session import Run, Session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.peers import PeerKind
    from benchmarks.traffic import Traffic

MILLION = 1e6
THOUSAND = 1e3
MICRO = 1e-6
MILLI = 1e-3
LIBZMQ = ("libzmq-1io", "libzmq-2io")
FANOUT = ("fanout", "fanout-batch")
BROKERS = ("nats", "redis")
PATIENCE_SECONDS = 600  # longer than a round with stalled subscribers: it must not lose them


@dataclass(frozen=True)
class Settings:
    """What the command line asks for; empty tuples mean the workload's own choice."""

    subscribers: tuple[int, ...] = ()
    sizes: tuple[int, ...] = ()
    peers: tuple[str, ...] = ()
    rounds: int = 5
    seconds: float = 1.0  # that one run should take
    quick: bool = False


@dataclass(frozen=True)
class Metric:
    """One measured quantity; `scale` turns it into `unit` for people."""

    name: str
    unit: str
    scale: float = 1.0
    higher_is_better: bool = True


@dataclass(frozen=True)
class Case:
    """One row of a workload: a load with a name."""

    label: str
    traffic: Traffic
    peers: tuple[str, ...] | None = None  # where not every peer of the workload applies


@dataclass(frozen=True)
class Sample:
    """One round of one peer on one case."""

    values: Mapping[str, float] = field(default_factory=dict)
    invalid: str = ""  # why it does not count


class Workload(ABC):
    """A workload; the first metric is the one that ratios are made of."""

    name: ClassVar[str]
    summary: ClassVar[str]
    metrics: ClassVar[tuple[Metric, ...]]
    peers: ClassVar[tuple[str, ...]]

    def kinds(self, settings: Settings) -> Sequence[PeerKind]:
        """The peers to measure, in order."""
        return [PEERS[name] for name in settings.peers or self.peers]

    @abstractmethod
    def cases(self, settings: Settings) -> Sequence[Case]:
        """The rows."""

    @abstractmethod
    def measure(self, peer: PeerKind, case: Case, settings: Settings) -> Sample:
        """One round, in fresh processes."""


def milliseconds(name: str, label: str) -> Metric:
    """A metric of seconds that people read in milliseconds."""
    return Metric(name, label, 1 / MILLI, higher_is_better=False)


def dropping(kind: PeerKind, burst: int, **fanout: int) -> PeerKind:
    """The peer set to lose a slow subscriber's messages rather than to wait for it.

    Args:
        burst: messages at once of which a healthy subscriber loses none.
        fanout: what else fanout is to be told.
    """
    if is_pyzmq(kind):
        return kind.variant(kind.name, nodrop=0, send_hwm=2 * burst)
    if kind.has_workers:
        return kind.variant(kind.name, block=0, send_timeout=PATIENCE_SECONDS, **fanout)
    return kind  # a broker does what it does, and a compiled publisher waits, if it can


def is_pyzmq(kind: PeerKind) -> bool:
    """Whether its adapter takes the options of a libzmq socket."""
    return "libzmq" in kind.name and not kind.program


RATE = Metric("deliveries_per_second", "M/s", 1 / MILLION)
CPU = Metric("cpu_seconds_per_million", "CPU s per M", 1.0, higher_is_better=False)
MEMORY = Metric("memory_bytes", "MB", 1 / MILLION, higher_is_better=False)
RECEIVER_CPU = Metric("receiver_cpu_share", "receivers' CPU", 1.0, higher_is_better=False)
CALLS = Metric("calls_per_thousand", "calls per 1,000", 1.0, higher_is_better=False)
RUN_METRICS = (RATE, CPU, MEMORY, RECEIVER_CPU, CALLS)
CALLS_SHARE = 4  # a run for their number is shorter than the one that is timed


def sample_of(run: Run) -> Sample:
    """What every workload that counts deliveries reports."""
    return Sample(
        {
            RATE.name: run.deliveries / run.seconds,
            CPU.name: run.cpu_seconds / run.deliveries * MILLION,
            MEMORY.name: float(run.memory_bytes),
            RECEIVER_CPU.name: run.receiver_cpu_seconds / run.seconds,
        }
    )


def measure_run(peer: PeerKind, traffic: Traffic, settings: Settings) -> Sample:
    """One run in fresh processes, as long as the settings say."""
    with Session(peer, traffic) as session:
        count = session.count_for(settings.seconds)
        sample = sample_of(session.run(count))
        calls = session.calls_per_delivery(-(-count // CALLS_SHARE))
    counted = {} if calls is None else {CALLS.name: THOUSAND * calls}
    return Sample({**sample.values, **counted})
