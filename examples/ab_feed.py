"""A feed over two networks: one is cut in the midst, and the subscriber has each message once.

    python examples/ab_feed.py

The publisher numbers its messages, so the two connections are one stream without doubles. Here both
networks are loopback, and cut is what unbinding an endpoint and closing its connection does.
"""

from __future__ import annotations

from fanout import Publisher, Subscriber

MESSAGES = 1000
NETWORKS = ("tcp://127.0.0.1:*", "tcp://127.0.0.2:*")


def cut(publisher: Publisher, endpoint: str) -> None:
    """Nobody is served over this endpoint any more, and nobody can come again."""
    publisher.unbind(endpoint)
    for one in publisher.subscribers():
        if one.endpoint == endpoint:
            publisher.disconnect(one.id, "its network is cut")


def main() -> None:
    """Publish over both, and over one, and say what came."""
    with (
        Publisher(NETWORKS, workers=1, sequence_frame=True) as publisher,
        Subscriber(publisher.endpoints) as subscriber,
    ):
        publisher.wait_for_subscribers(len(NETWORKS), timeout=60)
        for number in range(MESSAGES):
            if number == MESSAGES // 2:
                cut(publisher, publisher.endpoints[1])
            publisher.publish("price", b"%d" % number)
        for number in range(MESSAGES):
            message = subscriber.recv(timeout=60)
            assert message.payload == b"%d" % number, "each comes once, in order"
            assert message.gap is None, "nothing is missing"
        assert not subscriber.poll(timeout=0), "nothing comes twice"
        left = len(publisher.subscribers())
        print(f"{MESSAGES} messages, each once; of {len(NETWORKS)} connections {left} is left")


if __name__ == "__main__":
    main()
