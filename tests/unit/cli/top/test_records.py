"""What programs read: the schema is a promise, and nothing in it speaks to a terminal."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from fanout.cli.top.records import (
    CSV_COLUMNS,
    END_CSV_COLUMNS,
    SCHEMA,
    csv_lines,
    flat,
    json_line,
)
from fanout.statistics import ClosedSubscriber, PublisherStatistics, SubscriberStatistics
from tests.helpers.frames import NASTY, frame_of, frame_of_ends
from tests.helpers.pages import CODE, cells, section

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "top.md"


def record(**publisher: Any) -> Any:
    return json.loads(json_line(frame_of([4, 7], **publisher)))


def test_a_line_of_json_has_all_of_it() -> None:
    shown = record()

    assert (shown["schema"], shown["time"]) == (SCHEMA, 1_090.5)
    assert shown["publisher"]["name"] == "ticks"
    assert shown["publisher"]["messages_per_s"] == 50
    assert shown["publisher"]["epoch"] == str(1 << 55)
    assert shown["publisher"]["epoch_hex"] == "0080000000000000"
    assert shown["workers"][0]["state"] == "ready"
    assert [one["id"] for one in shown["subscribers"]] == [4, 7]
    assert shown["subscribers"][0]["peer"] == f"{NASTY}4"
    assert shown["subscribers"][0]["user"] == NASTY
    assert shown["subscribers"][0]["policy"] == "drop_oldest"
    assert shown["subscribers"][0]["dropped_by"]["lag"] == 0


def test_a_line_is_one_line_and_printable() -> None:
    line = json_line(frame_of([1], name=f"a\n{NASTY}"))
    assert line.isascii()
    assert line.rstrip("\n").isprintable()
    assert line.count("\n") == 1


def test_a_line_has_those_who_ended_in_the_place_of_subscribers_in_the_order_of_their_ends() -> (
    None
):
    shown = json.loads(json_line(frame_of_ends([7, 4])))

    assert shown.keys() == record().keys() - {"subscribers"} | {"ended"}
    first, second = shown["ended"]
    assert (first["id"], first["number"], second["id"], second["number"]) == (4, 99, 7, 100)
    assert (first["cause"], first["reason"]) == ("left", "closed by the subscriber")
    assert (first["ended"], first["connected_s"], first["user"]) == (1_030.0, 1.0, NASTY)
    assert first["dropped_by"] == {"lag": 1, "lag_messages": 1, "lag_age": 0, "lag_log": 1}
    assert first["policy"] == "drop_oldest"


@pytest.mark.parametrize("part", ["publisher", "workers", "subscribers", "ended"])
def test_every_name_is_in_the_reference_and_none_is_made_up(part: str) -> None:
    shown = (record() | json.loads(json_line(frame_of_ends([1]))))[part]
    names = shown if part == "publisher" else shown[0]
    text = section(PAGE.read_text("utf-8"), f"`{part}`")
    listed = {
        name
        for line in text.splitlines()
        if line.startswith("| `")
        for name in CODE.findall(cells(line)[0])
    }
    others = {
        "publisher": {field.name for field in fields(PublisherStatistics)} - {"workers"},
        "subscribers": {field.name for field in fields(SubscriberStatistics)},
        "ended": {field.name for field in fields(ClosedSubscriber)},
    }
    assert listed | others.get(part, set()) == set(names)


def test_csv_has_a_header_once_and_the_same_columns_as_json() -> None:
    frame = frame_of([4, 7])
    text = "".join([*csv_lines(frame, header=True), *csv_lines(frame, header=False)])
    rows = list(csv.DictReader(io.StringIO(text)))

    assert len(rows) == 4
    assert tuple(rows[0]) == CSV_COLUMNS == ("time", *flat(record()["subscribers"][0]))
    assert (rows[1]["id"], rows[1]["time"], rows[1]["dropped_by.lag"]) == ("7", "1090.5", "0")
    assert text.replace("\n", "").isprintable()


def test_csv_of_those_who_ended_has_the_same_columns_as_json() -> None:
    frame = frame_of_ends([7, 4])
    text = "".join(csv_lines(frame, header=True))
    rows = list(csv.DictReader(io.StringIO(text)))

    record = json.loads(json_line(frame))["ended"][0]
    assert tuple(rows[0]) == END_CSV_COLUMNS == ("time", *flat(record))
    assert [row["id"] for row in rows] == ["4", "7"]
    assert (rows[0]["cause"], rows[0]["dropped_by.lag"]) == ("left", "1")
    assert text.replace("\n", "").isprintable()
