"""The verbs of fanout, as users write them, and what they are called with. Pure data."""

from __future__ import annotations

TOPIC, PAYLOAD = b"t0000000", b"x" * 128
TEXT = "x" * 126  # 128 bytes as JSON (in quotes), and as msgpack (behind two bytes)
CALLS = 2_000  # of a stretch: 2 ms, some of which nothing interrupts
IN_A_BATCH = 100  # calls
ASYNCIO, BATCH = "asyncio ", "batch "

# How each is written, for a publisher or a batch `p`.
BYTES = {
    "publish": "p.publish(TOPIC, PAYLOAD)",
    "send": "p.send(PAYLOAD)",
    "send_multipart of 1": "p.send_multipart([PAYLOAD])",
    "send_multipart of 2": "p.send_multipart([TOPIC, PAYLOAD])",
    "send_multipart of 3": "p.send_multipart([TOPIC, b'', PAYLOAD])",
}
VALUES = {
    "publish, str topic": "p.publish('t0000000', PAYLOAD)",
    "send_string": "p.send_string(TEXT)",
    "send_json": "p.send_json(TEXT)",
    "send_json on a topic": "p.send_json(TEXT, topic=TOPIC)",
    "send_msgpack": "p.send_msgpack(TEXT)",
    "send_msgpack on a topic": "p.send_msgpack(TEXT, topic=TOPIC)",
}
VERBS = {
    **BYTES,
    **VALUES,
    **{f"{BATCH}{name}": call for name, call in BYTES.items()},
    **{f"{ASYNCIO}{name}": f"await {call}" for name, call in (BYTES | VALUES).items()},
    **{f"{ASYNCIO}{BATCH}{name}": call for name, call in BYTES.items()},
}
# What a verb does with the value before it sends, which is no cost of sending.
ENCODINGS = {"send_json": "json.dumps(TEXT).encode()", "send_msgpack": "msgpack.packb(TEXT)"}
