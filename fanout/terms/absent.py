"""Attributes that pyzmq's sockets have and ours have not: refused with what to do. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# What a socket of pyzmq has that is no option: its methods, and what only says what it is.
NO_OPTIONS = {
    *("bind_to_random_port", "connect", "context", "copy_threshold", "destroy", "disable_monitor"),
    *("disconnect", "fd", "fileno", "get", "get_hwm", "get_monitor_socket", "get_string"),
    *("getsockopt", "getsockopt_string", "getsockopt_unicode", "last_endpoint", "monitor", "poll"),
    *("recv", "recv_into", "recv_json", "recv_multipart", "recv_pyobj", "recv_serialized"),
    *("recv_string", "recv_unicode", "send_json", "send_multipart", "send_pyobj"),
    *("send_serialized", "send_string", "send_unicode", "set", "set_hwm", "set_string"),
    *("setsockopt", "setsockopt_string", "setsockopt_unicode", "socket_type", "term", "type"),
    *("unbind",),
}


class Absent:
    """An attribute that can be neither read nor set here.

    It is found on the class, so looking up what there is costs nothing more. What is no option, so
    that pyzmq does nothing when it is set, may be an attribute of a class of the user's: `context`
    of his own, say. An option may not, unless that class has it: it would be ignored.
    """

    def __init__(self, text: str, name: str = "", *, is_option: bool = True) -> None:
        self._text = text
        self._name = name
        self._is_option = is_option

    def __get__(self, instance: object, _owner: type) -> object:
        own = self._own(instance)
        if own is None or self._name not in own:
            raise AttributeError(self._text)
        return own[self._name]

    def __set__(self, instance: object, value: object) -> None:
        own = self._own(instance)
        if own is None:
            raise AttributeError(self._text)
        own[self._name] = value

    def __delete__(self, instance: object) -> None:
        own = self._own(instance)
        if own is None or self._name not in own:
            raise AttributeError(self._text)
        del own[self._name]

    def _own(self, instance: object) -> dict[str, object] | None:
        """What a class of the user's keeps, where this may be; what is ours has only slots."""
        return None if self._is_option else getattr(instance, "__dict__", None)


def refuse_attributes(owner: type, hints: Mapping[str, str], said: str) -> None:
    """Have what a class has not refused there, in small letters and in capitals; see `Absent`.

    Type checkers know by themselves what there is not.

    Args:
        hints: what to do instead, by names in lower case.
        said: the text before that, with the name in the place of `{!r}`.
    """
    for name, hint in hints.items():
        for spelling in {name, name.upper()}:
            is_option = name not in NO_OPTIONS
            text = f"{said.format(spelling)}: {hint}"
            setattr(owner, spelling, Absent(text, spelling, is_option=is_option))
