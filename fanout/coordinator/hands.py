"""Hands: carry out what pure code has decided. Shell.

Actions are carried out in the order in which they stand, and what comes of one (a start that
fails, a process that may not be killed) before the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from fanout.coordinator import actions as do
from fanout.coordinator import judgements
from fanout.errors import StartupError
from fanout.terms.addresses import address_of
from fanout.transport.held import shut
from fanout.transport.kernel import cut_off

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future

    from fanout.coordinator.actions import Action, OfALife
    from fanout.coordinator.announcer import Announcer
    from fanout.coordinator.figures import Figures
    from fanout.coordinator.pool import Pool
    from fanout.coordinator.reception import Reception
    from fanout.coordinator.state import State
    from fanout.coordinator.telling import Telling
    from fanout.events import Event
    from fanout.security.verdicts import Request, Verdict


class Hands:
    """On the coordinator's thread, whose parts they move; their only own state is the start.

    Args:
        now: seconds, see `Supervision`.
        on_broken: called when no worker is left and none can be started.
        on_mended: called when one serves again after that.

    Attributes:
        started: done when all workers serve for the first time; has the error if they will not.
    """

    def __init__(
        self,
        state: State,
        pool: Pool,
        reception: Reception,
        figures: Figures,
        telling: Telling,
        announcer: Announcer,
        started: Future[None],
        now: Callable[[], float],
        *,
        on_broken: Callable[[], object],
        on_mended: Callable[[], object],
    ) -> None:
        self.started = started
        self._state = state
        self._pool = pool
        self._reception = reception
        self._figures = figures
        self._telling = telling
        self._announcer = announcer
        self._now = now
        self._on_broken = on_broken
        self._on_mended = on_mended
        reception.tell = announcer.tell

    def tell(self, events: Iterable[Event]) -> None:
        """Tell all who listen."""
        for event in events:
            self._announcer.tell(event)

    def fail_start(self, reason: str, exit_code: int | None = None) -> None:
        """Whoever waits for the start need not wait any more, if it is not done."""
        if not self.started.done():
            self.started.set_exception(StartupError(reason, exit_code))

    def carry_out(self, actions: Iterable[Action]) -> None:
        """Do all of it."""
        pool, figures = self._pool, self._figures
        for action in actions:
            match action:
                case do.Tell(event):
                    self.tell(self._telling.tell(event, self._now()))
                case do.Complain(text, error):
                    self._announcer.complain(text, error)
                case do.Answer(flag):
                    flag.set()
                case do.Say(worker, message):
                    self.carry_out(pool.say(worker, message))
                case do.Wake(worker, since):
                    pool.wake(worker, since)
                case do.HandOver(connection, descriptor):
                    figures.admitted(connection)
                    self.carry_out(pool.hand_over(connection, descriptor))
                case do.NoteConnected(connection):
                    figures.connected(connection)
                case do.NoteSubscriptions(connection, count, added, cancelled):
                    figures.subscribed(connection, count)
                    self._telling.subscribed(connection, count, added, cancelled)
                case do.NoteChoice(connection, name, policy, chosen_by):
                    figures.chosen(connection, name, policy, chosen_by)
                case do.NoteUser(connection):
                    figures.judged(connection)
                case do.Judge(security, request):
                    address = address_of(request.peer)
                    self._reception.judges.submit(security, request, self._judged, address)
                case do.GiveUp(subscriber):
                    self._reception.judges.give_up(subscriber)
                case do.Withdraw(subscriber):
                    self._reception.judges.withdraw(subscriber)
                case do.Shut(descriptor):
                    shut(descriptor)
                case do.Cut(descriptor):
                    cut_off(descriptor)
                case do.Hold(descriptor, seconds):
                    self._reception.hold(descriptor, seconds)
                case do.Pause(why):
                    self.carry_out(self._reception.pause(why))
                case do.Book(connection, closed, exact):
                    figures.ended(connection, closed, exact=exact)
                case _:
                    self._carry_out_for(action)

    def _judged(self, request: Request, verdict: Verdict, failure: str) -> None:
        """Somebody was judged; on a thread of the judges."""
        self._reception.post(
            lambda: self.carry_out(
                judgements.judged(self._state, request, verdict, failure, self._now())
            )
        )

    def _carry_out_for(self, action: OfALife) -> None:
        """What concerns the life of a worker, or of the whole."""
        pool = self._pool
        match action:
            case do.Start(worker):
                self.carry_out(pool.start(worker))
            case do.Abort(worker):
                pool.links[worker].abort()
            case do.Kill(worker):
                self.carry_out(pool.kill(worker))
            case do.Leave(worker, problem):
                self.carry_out(pool.leave(worker, problem))
            case do.FreeTail(worker, moved):
                pool.links[worker].slot.release(moved)
            case do.NoteWorker(worker):
                life = self._state.supervision.lives[worker]
                self._figures.worker(life, pool.links[worker].pid)
            case do.Serve():
                if not self.started.done():
                    self.started.set_result(None)
            case do.FailStart(reason, exit_code):
                self.fail_start(reason, exit_code)
            case do.Break():
                self._on_broken()
            case do.Mend():
                self._on_mended()
            case _:
                assert_never(action)
