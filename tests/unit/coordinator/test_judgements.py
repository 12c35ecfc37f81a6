"""What the coordinator does about who is to be judged: asks once, in time, and tells the worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.control.judging import AuthRequest, Judged, Judgement
from fanout.control.messages import Connected, ControlError, Evict, encode
from fanout.control.rights import Permit
from fanout.coordinator import actions as do
from fanout.coordinator import judgements, reports
from fanout.events import EventKind
from fanout.reasons import Reason
from fanout.security.endpoints import Plain
from fanout.security.verdicts import CHECK_TIMEOUT, Allow, Deny, Later, Request
from tests.unit.coordinator.bench import closed
from tests.unit.coordinator.test_reports import NOW, admit, served

if TYPE_CHECKING:
    from fanout.coordinator.roster import Accepted
    from fanout.coordinator.state import State
    from fanout.security.verdicts import Verdict

SECURITY = Plain(lambda _request: True)


def asked(state: State) -> tuple[Accepted, do.Judge]:
    """Somebody who waits to be judged."""
    connection = admit(state, connected=False)
    state.judging.admitted(connection.subscriber, SECURITY)
    [action] = ask(state, connection.subscriber)
    assert isinstance(action, do.Judge)
    return connection, action


def ask(state: State, subscriber: int, *credentials: bytes) -> list[do.Action]:
    message = AuthRequest(subscriber, "PLAIN", list(credentials or (b"desk7", b"ge\xffheim")))
    return reports.take(state, 0, message, NOW)


def said(actions: list[do.Action]) -> Judged:
    """What the worker is told."""
    [message] = [one.message for one in actions if isinstance(one, do.Say)]
    assert isinstance(message, Judged)
    return message


def test_whoever_is_there_is_asked() -> None:
    connection, action = asked(served())
    assert action.security is SECURITY
    assert action.request == Request(
        *(connection.subscriber, "peer:1", "tcp://x", "PLAIN", "desk7", "ge\udcffheim")
    )


def test_of_tls_the_name_and_the_certificate_are_told() -> None:
    state = served()
    connection = admit(state, connected=False)
    state.judging.admitted(connection.subscriber, SECURITY)
    message = AuthRequest(connection.subscriber, "TLS", [b"desk7", b"DER"])
    [action] = reports.take(state, 0, message, NOW)
    assert isinstance(action, do.Judge)
    assert action.request == Request(
        *(connection.subscriber, "peer:1", "tcp://x", "TLS", "desk7"), certificate=b"DER"
    )


def test_of_curve_the_key_is_told_and_is_the_name() -> None:
    state = served()
    connection = admit(state, connected=False)
    state.judging.admitted(connection.subscriber, SECURITY)
    key = b"\x00" * 32
    message = AuthRequest(connection.subscriber, "CURVE", [key])
    [action] = reports.take(state, 0, message, NOW)
    assert isinstance(action, do.Judge)
    who = connection.subscriber, "peer:1", "tcp://x", "CURVE"
    assert action.request == Request(*who, public_key="0" * 40)
    said(judgements.judged(state, action.request, Allow()))
    assert (connection.user, connection.mechanism) == ("0" * 40, "CURVE")


def test_who_is_allowed_has_a_name() -> None:
    state = served()
    connection, action = asked(state)
    actions = judgements.judged(state, action.request, Allow("desk seven"))
    assert do.NoteUser(connection) in actions
    assert said(actions) == Judged(connection.subscriber, Judgement.ALLOW, "")
    assert (connection.user, connection.mechanism) == ("desk seven", "PLAIN")
    told = reports.take(state, 0, Connected(connection.subscriber, "3.1"), NOW)[-1]
    assert isinstance(told, do.Tell)
    assert (told.event.user, told.event.reason) == ("desk seven", "ZMTP 3.1, PLAIN")


def test_by_the_name_that_it_gave() -> None:
    state = served()
    connection, action = asked(state)
    judgements.judged(state, action.request, Allow())
    assert connection.user == "desk7"


@pytest.mark.parametrize(
    ("verdict", "judgement", "text"),
    [
        (Deny("no"), Judgement.DENY, f"{Reason.DENIED.text}: user 'desk7': no"),
        (Later(), Judgement.LATER, f"{Reason.PUT_OFF.text}: user 'desk7'"),
        (Deny("x" * 300), Judgement.DENY, f"{Reason.DENIED.text}: user 'desk7': {'x' * 200}"),
    ],
)
def test_who_is_not(verdict: Verdict, judgement: Judgement, text: str) -> None:
    state = served()
    connection, action = asked(state)
    actions = judgements.judged(state, action.request, verdict)
    assert said(actions) == Judged(connection.subscriber, judgement, text)
    assert connection.user == ""


def test_a_check_that_fails_is_told_of() -> None:
    state = served()
    _, action = asked(state)
    told, *_ = judgements.judged(state, action.request, Later("broken"), "broken")
    assert isinstance(told, do.Tell)
    assert (told.event.kind, told.event.reason) == (EventKind.CALLBACK_FAILED, "broken")


def test_a_verdict_counts_once_and_for_who_is_there() -> None:
    state = served()
    connection, action = asked(state)
    judgements.judged(state, action.request, Allow())
    assert judgements.judged(state, action.request, Deny()) == []
    other, action = asked(state)
    reports.take(state, 0, closed(other.subscriber), NOW)
    assert judgements.judged(state, action.request, Allow()) == []
    assert connection.user == "desk7"


def test_nobody_is_judged_who_is_not_to_be() -> None:
    state = served()
    connection = admit(state, connected=False)
    with pytest.raises(ControlError):
        ask(state, connection.subscriber)
    again, _ = asked(state)
    with pytest.raises(ControlError):
        ask(state, again.subscriber)
    assert ask(state, 99) == []


def test_malformed_credentials_are_a_bug() -> None:
    state = served()
    connection = admit(state, connected=False)
    state.judging.admitted(connection.subscriber, SECURITY)
    with pytest.raises(ControlError) as error:
        ask(state, connection.subscriber, b"geheim")
    assert "geheim" not in str(error.value)


def test_what_takes_too_long_is_given_up() -> None:
    state = served()
    connection, action = asked(state)
    assert judgements.due(state, NOW + CHECK_TIMEOUT - 0.1) == []
    given_up, told, say = judgements.due(state, NOW + CHECK_TIMEOUT)
    assert given_up == do.GiveUp(connection.subscriber)
    assert isinstance(told, do.Tell)
    assert told.event.kind is EventKind.CALLBACK_FAILED
    assert said([say]).judgement == Judgement.LATER
    assert judgements.due(state, NOW + 2 * CHECK_TIMEOUT) == []
    assert judgements.judged(state, action.request, Allow()) == [], "it is too late"
    assert connection.user == ""


def test_a_check_may_quote_what_a_stranger_said() -> None:
    """It is one line in logs, and text that can be written down, whatever that was."""
    state = served()
    _, action = asked(state)
    actions = judgements.judged(state, action.request, Deny("not \ud800\n this one"))
    text = said(actions).text
    assert "not \\ud800\\n this one" in text
    encode(said(actions))


def test_who_has_left_is_withdrawn_and_awaited_on() -> None:
    """Nobody need begin to judge it; a check that hangs is given up in its time."""
    state = served()
    connection, action = asked(state)
    actions = reports.take(state, 0, closed(connection.subscriber), NOW)
    assert do.Withdraw(connection.subscriber) in actions
    assert judgements.due(state, NOW + CHECK_TIMEOUT) == [do.GiveUp(connection.subscriber)]
    assert judgements.due(state, NOW + CHECK_TIMEOUT) == []
    other, action = asked(state)
    reports.take(state, 0, closed(other.subscriber), NOW)
    assert judgements.judged(state, action.request, Allow()) == []
    assert judgements.due(state, NOW + 2 * CHECK_TIMEOUT) == [], "its check is over"


def test_what_he_may_have_is_said_before_that_he_may_go_on() -> None:
    state = served()
    connection, action = asked(state)
    actions = judgements.judged(state, action.request, Allow(subscribe=["a"]))
    messages = [one.message for one in actions if isinstance(one, do.Say)]
    assert messages == [
        Permit(connection.subscriber, 1, False, [b"a"]),
        Judged(connection.subscriber, Judgement.ALLOW, ""),
    ]


def test_who_was_sent_away_is_denied_whatever_the_check_says() -> None:
    state = served()
    _, action = asked(state)
    state.access.refuse("desk7", None)
    said_to_him = said(judgements.judged(state, action.request, Allow()))
    assert said_to_him.judgement == Judgement.DENY
    assert Reason.DISCONNECTED_BY_CALL.text in said_to_him.text


def test_so_many_connections_and_no_more() -> None:
    state = served()
    for expected in (Judgement.ALLOW, Judgement.ALLOW, Judgement.LATER):
        _, action = asked(state)
        verdict = Allow(max_connections=2)
        assert said(judgements.judged(state, action.request, verdict)).judgement == expected


def test_whose_time_is_over_is_ended() -> None:
    state = served()
    connection, action = asked(state)
    gone, other = asked(state)
    for request in (action.request, other.request):
        judgements.judged(state, request, Allow(expires=60), now=NOW)
    reports.take(state, 0, closed(gone.subscriber), NOW)
    assert judgements.due(state, NOW + 59.9) == []
    [say] = judgements.due(state, NOW + 60)
    assert isinstance(say, do.Say)
    cause = Reason.EXPIRED
    assert say.message == Evict(connection.subscriber, cause.number, cause.text)
