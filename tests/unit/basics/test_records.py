"""Records: what they have of dataclasses, though they are made in another way."""

from __future__ import annotations

import inspect
import pickle
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from fanout.basics.records import changed, fields_of, record
from fanout.control import messages
from fanout.coordinator import actions
from fanout.workers.stream import effects


@record
class Point:
    """In a plane."""

    kind: ClassVar[str] = "round"
    x: int
    y: int = 2
    name: str = ""

    def sum(self) -> int:
        return self.x + self.y


@dataclass(frozen=True, slots=True)
class Model:
    """The same as a dataclass."""

    kind: ClassVar[str] = "round"
    x: int
    y: int = 2
    name: str = ""


@record
class Nothing:
    """Has no field."""


class Outer:
    """Has a record in it."""

    @record
    class Inner:
        """Of one field."""

        x: int


def test_it_has_fields_defaults_and_methods() -> None:
    point = Point(1, name="a")
    assert (point.x, point.y, point.name, point.kind, point.sum()) == (1, 2, "a", "round", 3)
    assert fields_of(Point) == {"x": "int", "y": "int", "name": "str"}
    assert Point.__doc__ == "In a plane."
    assert Point.__module__ == __name__
    assert changed(point, y=5) == Point(1, 5, "a")


def test_it_is_what_a_dataclass_is() -> None:
    for arguments in ((1,), (1, 3), (1, 3, "a")):
        one, model = Point(*arguments), Model(*arguments)
        assert repr(one) == repr(model).replace("Model", "Point")
        assert hash(one) == hash(model)
    assert Point.__match_args__ == Model.__match_args__
    assert Point.__slots__ == Model.__slots__  # type: ignore[attr-defined]
    assert inspect.signature(Point).parameters.keys() == inspect.signature(Model).parameters.keys()


def test_it_is_equal_by_kind_and_values() -> None:
    assert Point(1) == Point(1, 2)
    assert Point(1) != Point(2)
    other: object = Model(1)
    assert Point(1) != other
    assert Nothing() == Nothing()
    assert {Point(1), Point(1), Nothing(), Nothing()} == {Point(1), Nothing()}
    assert repr(Nothing()) == "Nothing()"


def test_it_can_be_pickled_and_has_no_further_names() -> None:
    assert pickle.loads(pickle.dumps(Point(1, 3))) == Point(1, 3)
    with pytest.raises(AttributeError):
        Point(1).other = 2  # type: ignore[attr-defined]
    assert not hasattr(Point(1), "__dict__")


@pytest.mark.parametrize("arguments", [(), (1, 2, "a", 4)])
def test_what_does_not_fit_is_refused(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError, match=r"^Point.__init__\(\) .*argument"):
        Point(*arguments)
    with pytest.raises(TypeError, match=r"^Point.__init__\(\) .*argument 'z'"):
        changed(Point(1), z=1)


def test_one_inside_of_a_class_is_named_and_pickled_as_such() -> None:
    inner = Outer.Inner(1)
    assert repr(inner) == "Outer.Inner(x=1)"
    assert pickle.loads(pickle.dumps(inner)) == inner


def test_all_of_the_many_are_records() -> None:
    """The start of each process would take longer again."""
    kinds = [
        kind
        for module in (actions, effects, messages)
        for kind in vars(module).values()
        if inspect.isclass(kind) and kind.__module__ == module.__name__
    ]
    assert len(kinds) > 40
    assert [kind for kind in kinds if hasattr(kind, "__dataclass_fields__")] == []
