"""The options as keyword arguments: as they follow from the options, and as they stand there."""

from __future__ import annotations

from dataclasses import fields

from generating.option_arguments import SOURCE, TARGET, text_for

from fanout.options import Options
from fanout.terms.option_arguments import OptionArguments
from tests.helpers.command import ROOT

OPTIONS = '''
import os
from typing import TYPE_CHECKING, Any

from fanout.terms.option_fields import made_by, number, optional_size, size
from fanout.terms.slow_policy import ACTIONS, SlowPolicy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fanout.terms.last_values import LastValues
    from fanout.terms.slow_policy import Action, SlowRule

KIB = 1024


class Options:
    """Options."""

    first: int = number(0, 0, 9)
    """A number."""

    second: int = size(KIB, 1, 2)
    third: int | None = optional_size(None, 0, 1)
    last: Sequence[Action | SlowPolicy] = made_by(as_policy, "drop_oldest", ACTIONS)  # noqa

    def method(self, values: LastValues) -> Iterable[str]:
        local: int = 0
'''
WRITTEN = '''
from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.terms.slow_policy import Action, SlowPolicy


class OptionArguments(TypedDict, total=False):
    """What `Publisher` takes by name; see `fanout.options.Options`. Sizes may be text, "64M"."""

    first: int
    second: int | str
    third: int | str | None
    last: Sequence[Action | SlowPolicy]
'''


def test_they_are_what_follows_from_the_options() -> None:
    written = (ROOT / TARGET).read_text(encoding="utf-8")
    assert written == text_for((ROOT / SOURCE).read_text(encoding="utf-8")), "run scripts/options"
    assert list(OptionArguments.__annotations__) == [option.name for option in fields(Options)]


def test_sizes_may_be_text_and_what_types_name_is_imported() -> None:
    assert text_for(OPTIONS).endswith(WRITTEN)
