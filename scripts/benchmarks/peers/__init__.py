"""The peers: one adapter each, loaded only in the process that runs it."""

from __future__ import annotations

from benchmarks.peers.base import Peer, PeerKind

__all__ = ["PEERS", "Peer", "PeerKind"]

_KINDS = (
    PeerKind(
        "fanout",
        "zmtp",
        "fanout, publish() for each message",
        "benchmarks.peers.fanout:FanoutPeer",
        needs_module="fanout.publisher",
        has_workers=True,
    ),
    PeerKind(
        "fanout-batch",
        "zmtp",
        "fanout, batches of messages",
        "benchmarks.peers.fanout:FanoutPeer",
        needs_module="fanout.publisher",
        has_workers=True,
        options=(("batch", 512),),
    ),
    PeerKind(
        "fanout-nice",
        "zmtp",
        "fanout, publish() for each message, workers that give way (worker_nice=10)",
        "benchmarks.peers.fanout:FanoutPeer",
        needs_module="fanout.publisher",
        has_workers=True,
        options=(("worker_nice", 10),),
    ),
    PeerKind(
        "fanout-1w",
        "zmtp",
        "fanout, publish() for each message, one worker",
        "benchmarks.peers.fanout:FanoutPeer",
        needs_module="fanout.publisher",
        has_workers=True,
        options=(("workers", 1),),
    ),
    PeerKind(
        "libzmq-1io",
        "zmtp",
        "libzmq PUB by pyzmq, one I/O thread, XPUB_NODROP",
        "benchmarks.peers.libzmq:LibzmqPeer",
        needs_module="zmq",
        options=(("io_threads", 1),),
    ),
    PeerKind(
        "libzmq-2io",
        "zmtp",
        "libzmq PUB by pyzmq, two I/O threads, XPUB_NODROP",
        "benchmarks.peers.libzmq:LibzmqPeer",
        needs_module="zmq",
        options=(("io_threads", 2),),
    ),
    PeerKind(
        "fanout-curve",
        "curve",
        "fanout, publish() for each message, encrypted by CURVE",
        "benchmarks.peers.fanout:FanoutPeer",
        needs_module="nacl",
        has_workers=True,
        options=(("curve", 1),),
    ),
    PeerKind(
        "fanout-tls",
        "tls",
        "fanout, publish() for each message, encrypted by TLS",
        "benchmarks.peers.fanout:FanoutPeer",
        needs_module="fanout.publisher",
        has_workers=True,
        options=(("tls", 1),),
    ),
    PeerKind(
        "libzmq-curve-1io",
        "curve",
        "libzmq PUB by pyzmq, one I/O thread, XPUB_NODROP, encrypted by CURVE",
        "benchmarks.peers.libzmq:LibzmqPeer",
        needs_module="zmq",
        options=(("io_threads", 1), ("curve", 1)),
    ),
    PeerKind(
        "libzmq-curve-2io",
        "curve",
        "libzmq PUB by pyzmq, two I/O threads, XPUB_NODROP, encrypted by CURVE",
        "benchmarks.peers.libzmq:LibzmqPeer",
        needs_module="zmq",
        options=(("io_threads", 2), ("curve", 1)),
    ),
    PeerKind(
        "nats",
        "nats",
        "nats-server, fed by raw PUB commands in batches",
        "benchmarks.peers.nats:NatsPeer",
        needs_program="nats-server",
    ),
    PeerKind(
        "redis",
        "redis",
        "redis-server, fed by raw PUBLISH commands in batches",
        "benchmarks.peers.redis:RedisPeer",
        needs_program="redis-server",
    ),
    PeerKind(
        "websockets",
        "websocket",
        "Python websockets, broadcast()",
        "benchmarks.peers.websockets:WebsocketsPeer",
        needs_module="websockets",
    ),
    PeerKind(
        "limit",
        "plain",
        "reference: one process for each core, send() of one buffer and nothing else",
        "benchmarks.peers.limit:LimitPeer",
    ),
)

PEERS = {kind.name: kind for kind in _KINDS}
