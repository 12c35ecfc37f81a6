"""Doorbells: rings are kept, one wait takes them all, and any process may ring."""

from __future__ import annotations

import os
import subprocess
import sys

from fanout.shm.doorbell import Doorbell


def test_a_ring_before_the_wait_is_kept() -> None:
    bell = Doorbell()
    bell.ring()
    bell.ring()

    assert bell.wait(0)
    assert not bell.wait(0), "one wait takes all rings"
    bell.close()


def test_cleared_it_is_silent() -> None:
    bell = Doorbell()
    bell.clear()
    bell.ring()
    bell.clear()

    assert not bell.wait(0)
    bell.close()


def test_a_bell_that_cannot_ring_louder_is_ringing() -> None:
    bell = Doorbell()
    os.eventfd_write(bell.fd, 2**64 - 2)

    bell.ring()

    assert bell.wait(0)
    bell.close()


def test_another_process_rings() -> None:
    bell = Doorbell()
    os.set_inheritable(bell.fd, True)
    code = f"from fanout.shm.doorbell import Doorbell; Doorbell({bell.fd}).ring()"

    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, pass_fds=(bell.fd,))

    assert bell.wait(0)
    bell.close()


def test_closed_it_does_nothing() -> None:
    bell = Doorbell()
    bell.close()
    bell.close()

    bell.ring()
    bell.clear()
    assert not bell.wait(0)
