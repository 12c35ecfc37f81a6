"""A socket has its place in both sets, or in none."""

from __future__ import annotations

import errno
from typing import Any
from unittest import mock

import pytest

from fanout.workers.connections.watched import SocketSets
from tests.helpers.refusing import refusing


def sets_and_peer() -> tuple[Any, Any, Any]:
    write_set, peer = mock.Mock(), mock.Mock()
    return SocketSets(write_set, mock.sentinel.read_set), write_set, peer


def test_one_that_has_no_place_among_those_who_are_read_has_none_at_all() -> None:
    sets, write_set, peer = sets_and_peer()
    peer.inbox.watch.side_effect = refusing(errno.ENOSPC)
    with pytest.raises(OSError, match="none"):
        sets.add(peer)

    write_set.unregister.assert_called_once_with(peer.socket)


def test_one_that_is_removed_has_no_place_in_either() -> None:
    sets, write_set, peer = sets_and_peer()
    sets.add(peer)
    sets.remove(peer)

    peer.inbox.watch.assert_called_once_with(mock.sentinel.read_set)
    peer.inbox.unwatch.assert_called_once_with()
    write_set.unregister.assert_called_once_with(peer.socket)
