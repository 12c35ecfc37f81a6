"""What an adapter does, and how a peer is described."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import signal
import socket
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from benchmarks.peers.programs import why_left

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.traffic import Traffic

LOOPBACK = "127.0.0.1"
BACKLOG = 4096  # all subscribers of a run connect at once


class Peer(ABC):
    """A publisher under test, in a process of its own."""

    def __init__(self, traffic: Traffic) -> None:
        self.traffic = traffic

    @abstractmethod
    def start(self) -> list[str]:
        """Starts listening; returns the endpoints over which subscribers are spread in turn."""

    @property
    def pid(self) -> int:
        """The process that counts, with all its descendants: this one, unless another publishes."""
        return os.getpid()

    @abstractmethod
    def send(self, topic: bytes, payload: bytes) -> None:
        """Publishes one message."""

    @abstractmethod
    def publish(self, count: int) -> None:
        """Publishes the first `count` messages of the traffic; may return before they are out."""

    def lose_worker(self, how: int = signal.SIGKILL) -> list[str]:
        """Kills the worker that serves the first subscriber, if there are such.

        Args:
            how: the signal for that; SIGSTOP = it hangs instead.

        Returns:
            The addresses of all whom it served.
        """
        raise NotImplementedError(f"{type(self).__name__} has no workers")

    def move_few(self) -> None:
        """Moves those who want more than others to another worker, one after the other."""
        raise NotImplementedError(f"{type(self).__name__} has no workers")

    def spread(self) -> None:
        """Has all workers serve about as many."""
        raise NotImplementedError(f"{type(self).__name__} has no workers")

    def is_ready(self) -> bool:
        """Whether all workers serve."""
        return True

    @abstractmethod
    def close(self) -> None:
        """Ends everything that was started."""


@dataclass(frozen=True)
class PeerKind:
    """A peer as the harness knows it, before anything of it is loaded."""

    name: str
    dialect: str
    summary: str
    location: str  # "module:class" of its adapter
    needs_module: str = ""
    needs_program: str = ""
    program: str = ""  # of programs.PROGRAMS: compiled before anything is measured
    has_workers: bool = False  # that can be lost without the end of it
    options: tuple[tuple[str, int], ...] = ()  # for the adapter's constructor

    @property
    def absent(self) -> str:
        """Why this peer cannot be measured here; empty if it can."""
        if self.needs_module and importlib.util.find_spec(self.needs_module) is None:
            return f"Python package {self.needs_module} is not installed"
        if self.needs_program and shutil.which(self.needs_program) is None:
            return f"program {self.needs_program} is not installed"
        return why_left(self.program)

    def variant(self, name: str, **options: int) -> PeerKind:
        """The same peer under another name, set up differently."""
        return replace(self, name=name, options=tuple((dict(self.options) | options).items()))


def create_peer(location: str, traffic: Traffic, options: Mapping[str, int]) -> Peer:
    """The adapter at "module:class", not started."""
    module, _, name = location.partition(":")
    factory: Callable[..., Peer] = getattr(importlib.import_module(module), name)
    return factory(traffic, **options)


def port_of(endpoint: str) -> int:
    """That of an endpoint of TCP, with or without "tcp://" before it."""
    return int(endpoint.rpartition(":")[2])


def free_port() -> int:
    """A port that is free now, for programs that cannot choose one by themselves."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
