"""How long subscribers hear nothing when a worker, or the whole publisher, is lost.

Two processes: a feed that is published by the peer under test (`feed`), and its subscribers
(`listeners`), which come again when they are closed, as libzmq's do.
"""
