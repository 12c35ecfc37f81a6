"""The peers: one adapter each, loaded only in the process that runs it."""

from __future__ import annotations

from benchmarks.peers.base import Peer, PeerKind

__all__ = ["PEERS", "Peer", "PeerKind"]


def _compiled(
    name: str, dialect: str, summary: str, program: str, *, threads: int = 2, needs_module: str = ""
) -> PeerKind:
    """A program of programs.PROGRAMS; `peers.compiled` has it as NAME_N for NAME-N."""
    return PeerKind(
        name,
        dialect,
        summary,
        f"benchmarks.peers.compiled:{program.replace('-', '_')}",
        needs_module=needs_module,
        program=program,
        options=(("threads", threads),),
    )


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
        "fanout-multipart",
        "zmtp",
        "fanout, send_multipart([topic, payload]) for each message",
        "benchmarks.peers.fanout:FanoutPeer",
        needs_module="fanout.publisher",
        has_workers=True,
        options=(("multipart", 1),),
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
    _compiled(
        "libzmq-c-1io",
        "zmtp",
        "libzmq PUB from C, one I/O thread, XPUB_NODROP",
        "libzmq-c",
        threads=1,
        needs_module="zmq",
    ),
    _compiled(
        "libzmq-c-2io",
        "zmtp",
        "libzmq PUB from C, two I/O threads, XPUB_NODROP",
        "libzmq-c",
        needs_module="zmq",
    ),
    _compiled(
        "omq-1io", "zmtp", "omq-tokio PUB (Rust), one I/O thread, xpub_nodrop", "omq", threads=1
    ),
    _compiled("omq-2io", "zmtp", "omq-tokio PUB (Rust), two I/O threads, xpub_nodrop", "omq"),
    _compiled("rzmq", "zmtp-3.0", "rzmq PUB (Rust), tokio with two threads, XPUB_NODROP", "rzmq"),
    _compiled(
        "rzmq-uring",
        "zmtp-3.0",
        "rzmq PUB (Rust), io_uring with two threads, XPUB_NODROP",
        "rzmq-uring",
    ),
    _compiled(
        "monocoque",
        "zmtp-3.0",
        "monocoque-rs PUB (Rust), io_uring with two threads, queues without bound",
        "monocoque",
    ),
    _compiled(
        "zmqrs",
        "zmtp-3.0",
        "zmq.rs PUB (Rust), tokio with two threads; loses what is over its queues",
        "zmqrs",
    ),
    PeerKind(
        "nats",
        "nats",
        "nats-server, fed by raw PUB commands in batches",
        "benchmarks.peers.nats:NatsPeer",
        needs_program="nats-server",
    ),
    PeerKind(
        "jetstream",
        "nats",
        "the same with JetStream: a stream in memory gets all of it, too",
        "benchmarks.peers.jetstream:JetStreamPeer",
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
