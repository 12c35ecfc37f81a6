"""The feed of the demonstration, from this machine."""

from __future__ import annotations

import msgpack

from demonstration.telemetry import Telemetry


def test_samples_are_numbered_by_topic() -> None:
    telemetry = Telemetry()
    messages = telemetry.sample() + telemetry.sample()
    topics = {topic for topic, _ in messages}
    assert {b"cpu.0", b"memory", b"disk.root"} <= topics
    assert any(topic.startswith(b"process.") for topic in topics)
    for topic in topics:
        numbers = [msgpack.unpackb(payload)["number"] for one, payload in messages if one == topic]
        assert numbers == list(range(1, telemetry.published[topic] + 1))
