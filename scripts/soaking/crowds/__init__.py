"""Crowds of strangers, by the name under which an attack asks for them."""

from __future__ import annotations

from soaking.crowds.base import Crowd
from soaking.crowds.halfway import Halfway
from soaking.crowds.readers import Readers, Sippers
from soaking.crowds.sleepers import Hoarders, Lengths, Returners, Sleepers
from soaking.crowds.talkers import Chatterers, Churner

__all__ = ["CROWDS", "Crowd"]

_ALL: tuple[type[Crowd], ...] = (
    *(Sleepers, Returners, Lengths, Hoarders),
    *(Readers, Sippers, Churner, Chatterers, Halfway),
)

CROWDS = {kind.__name__: kind for kind in _ALL}
