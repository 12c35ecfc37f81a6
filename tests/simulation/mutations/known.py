"""The mutations that are known, by name: each file beside this one enters its own."""

from __future__ import annotations

from typing import Any

from tests.helpers.replacing import replacing

Mutation = tuple[Any, str, Any]
MUTATIONS: dict[str, Mutation] = {}
replaces = replacing(MUTATIONS)
