"""A table by prefix: which of the prefixes in it does a topic begin with? Pure.

Who asks is the publisher on its send path, and a worker for each message whose topic it does not
remember; whose prefixes these are, strangers decide. So the cost must follow the topic and what it
matches, not what is in the table:

- Prefixes of up to `SHORT_MAX` bytes, nearly all there are, stand in a dict, which is asked once
  for each length that occurs: never more than `SHORT_MAX` + 1, nor more than the topic has.
- Longer ones stand in a tree whose edges are as long as can be. What is visited of it is what the
  topic has in common with them.

Putting and removing cost what the prefix is long, and neither ever rebuilds anything.

One thread changes it; others may ask meanwhile. Their answers are then from before or after, for
each prefix: what they read is replaced, not changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

V = TypeVar("V")

SHORT_MAX = 32  # bytes; so many look-ups in a dict cost about as much as a branch of the tree


class _Node(Generic[V]):
    """The end of an edge of the tree; `label` is never changed, so that a reader can rely on it."""

    __slots__ = ("children", "label", "value")

    def __init__(self, label: bytes, value: V | None, children: dict[int, _Node[V]]) -> None:
        self.label = label
        self.value = value
        self.children = children  # by the first byte of their labels


class PrefixTable(Generic[V]):
    """Values by prefix; no value is None.

    Its mutable state: the short prefixes, how many there are of each length, and the tree.
    """

    __slots__ = ("_counts", "_lengths", "_root", "_short", "_size")

    def __init__(self) -> None:
        self._short: dict[bytes, V] = {}
        self._counts: dict[int, int] = {}
        self._lengths: tuple[int, ...] = ()  # the keys of `_counts`, ascending
        self._root: _Node[V] = _Node(b"", None, {})
        self._size = 0  # prefixes in the tree

    def __len__(self) -> int:
        return len(self._short) + self._size

    def __contains__(self, prefix: bytes) -> bool:
        return self.get(prefix) is not None

    def get(self, prefix: bytes) -> V | None:
        """The value of exactly this prefix."""
        if len(prefix) <= SHORT_MAX:
            return self._short.get(prefix)
        path = self._path(prefix)
        return None if path is None else path[-1].value

    def put(self, prefix: bytes, value: V) -> None:
        """Set the value of a prefix."""
        size = len(prefix)
        if size > SHORT_MAX:
            self._put_long(prefix, value)
            return
        if prefix not in self._short:
            count = self._counts.get(size, 0)
            self._counts[size] = count + 1
            if not count:
                self._lengths = tuple(sorted(self._counts))
        self._short[prefix] = value

    def remove(self, prefix: bytes) -> None:
        """Forget a prefix.

        Raises:
            KeyError: it is not there; nothing has changed.
        """
        size = len(prefix)
        if size > SHORT_MAX:
            self._remove_long(prefix)
            return
        del self._short[prefix]
        self._counts[size] -= 1
        if not self._counts[size]:
            del self._counts[size]
            self._lengths = tuple(sorted(self._counts))

    def matching(self, topic: bytes) -> list[V]:
        """The values of all prefixes that this topic begins with, the shortest first."""
        found: list[V] = []
        size = len(topic)
        get = self._short.get
        for length in self._lengths:
            if length > size:
                return found
            value = get(topic[:length])
            if value is not None:
                found.append(value)
        if size > SHORT_MAX and self._size:
            found += self._long_matching(topic)
        return found

    def _long_matching(self, topic: bytes) -> Iterator[V]:
        node, at, size = self._root, 0, len(topic)
        while at < size:
            child = node.children.get(topic[at])
            if child is None or not topic.startswith(child.label, at):
                return
            at += len(child.label)
            node = child
            if node.value is not None:
                yield node.value

    # The tree.

    def _path(self, prefix: bytes) -> list[_Node[V]] | None:
        """The nodes from the root to that of a prefix; None if it has none."""
        path, at = [self._root], 0
        while at < len(prefix):
            child = path[-1].children.get(prefix[at])
            if child is None or not prefix.startswith(child.label, at):
                return None
            at += len(child.label)
            path.append(child)
        return path

    def _put_long(self, prefix: bytes, value: V) -> None:
        node, at = self._root, 0
        while at < len(prefix):
            child = node.children.get(prefix[at])
            if child is None:
                node.children[prefix[at]] = _Node(prefix[at:], value, {})
                self._size += 1
                return
            if not prefix.startswith(child.label, at):  # a new node in the middle of its edge
                size = _common(child.label, prefix[at:])
                rest = _Node(child.label[size:], child.value, child.children)
                child = _Node(child.label[:size], None, {rest.label[0]: rest})
                node.children[prefix[at]] = child
            at += len(child.label)
            node = child
        self._size += node.value is None
        node.value = value

    def _remove_long(self, prefix: bytes) -> None:
        path = self._path(prefix)
        if path is None or path[-1].value is None:
            raise KeyError(prefix)
        node = path.pop()
        node.value = None
        self._size -= 1
        parent = path.pop()
        if node.children:
            self._join(parent, node)
            return
        del parent.children[node.label[0]]
        if path and parent.value is None:  # the root stays
            self._join(path[-1], parent)

    @staticmethod
    def _join(parent: _Node[V], node: _Node[V]) -> None:
        """A node that is neither the end of a prefix nor a fork becomes one with its child."""
        if len(node.children) == 1:
            (child,) = node.children.values()
            joined = _Node(node.label + child.label, child.value, child.children)
            parent.children[joined.label[0]] = joined


def _common(one: bytes, other: bytes) -> int:
    """How many bytes they begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(one), len(other)))
