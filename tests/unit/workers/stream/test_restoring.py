"""Restoring: what is counted of a member that cannot go on; others test those that can."""

from __future__ import annotations

import pytest

from fanout.shm.stream_record import Kind, StreamRecord
from fanout.workers.stream.restoring import MismatchError
from fanout.zmtp.frames import encode_message
from tests.helpers.log import Worker

RECORD = StreamRecord(**dict.fromkeys(StreamRecord._fields[:-1], 0), speech=b"")._replace(
    kind=Kind.GOES_ON
)
A1 = encode_message([b"A", b"one"])


def restored(worker: Worker, written: int) -> None:
    """A member that wanted everything from the first message on, and was sent so many bytes."""
    member, _sink = worker.member(room=0)
    with pytest.raises(MismatchError):
        worker.pump.restore(member, RECORD, written, (), [b""], 0)
    worker.pump.remove(member)
    assert member.sent_bytes == len(A1)


def adds_up(worker: Worker) -> None:
    totals = worker.pump.totals
    assert (totals.matched, totals.sent, totals.sent_bytes) == (1, 1, len(A1))
    assert totals.matched_bytes == totals.sent_bytes + totals.discarded_bytes


def test_who_was_sent_more_than_there_was_is_counted_as_far_as_it_went() -> None:
    worker = Worker()
    worker.log.publish(b"A", b"one")
    worker.advance()
    restored(worker, len(A1) + 1)
    adds_up(worker)


def test_so_is_one_whose_next_step_is_found_not_to_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where last values were to be shown, of which the lost worker had sent none."""
    worker = Worker()
    worker.log.publish(b"A", b"one")
    worker.advance()
    real = worker.pump.backlog.step

    def step(*arguments: object) -> object:
        real(*arguments)  # type: ignore[arg-type]
        raise MismatchError("it got more than there was before its last values")

    monkeypatch.setattr(worker.pump.backlog, "step", step)
    restored(worker, len(A1) + 1)
    adds_up(worker)
