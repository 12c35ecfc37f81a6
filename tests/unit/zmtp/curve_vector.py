"""One connection of a stock pyzmq SUB by CURVE, captured, with all keys of the server's side.

Its client's transient secret is not known: what it sealed can only be opened. The cookie is what
the server of then had made; ours takes it from its randomness.
"""

from __future__ import annotations

from fanout.zmtp.boxes import KeyPair

KEYS = KeyPair(
    bytes.fromhex("a8e3222a6eae5b76e0e725e0372b5403e39df02f293af4ff77a79b5626af891d"),
    bytes.fromhex("2f2073e471013d7020fb6fef50abaaf18299a9d5f69f77e83ef279d1b88b4dca"),
)
CLIENT = bytes.fromhex("c0820f697237071e98974b6154a4884ca77e170011f8518ffcc3a1e0e75c644c")
CLIENT_SECRET = bytes.fromhex("90d43ba51a853ba4be50eeb33a8128e9ee5628def022d582c02d075bf2b1c105")
TRANSIENT_SECRET = bytes.fromhex("84188854b10743844e632a40587b7b98ca6377e1a0b0f189d7baff94a7e08fd4")
NONCE = bytes.fromhex("bdc5326fe038870a59e199cdfbe4f7ac")

_SIGNATURE = bytes.fromhex("ff00000000000000017f")
_CURVE = b"CURVE" + bytes(15)
GREETING = _SIGNATURE + b"\x03\x01" + _CURVE + bytes(32)
OUR_GREETING = _SIGNATURE + b"\x03\x01" + _CURVE + b"\x01" + bytes(31)

HELLO = (
    bytes.fromhex("04c8 0548454c4c4f 0100")
    + bytes(72)
    + bytes.fromhex(
        "7b392731dd5218783d80db7bb1973bbeabc2f3cb042c56a9fc22ef8c97f16b520000000000000001ea5e07b275ed"
        "4281237ffb2a77961419ab639628ee7ddbc38a99091293ae397a6f37806b11d74ef02afa4d4eb3dcc6085bbb379a"
        "1754e19cfb5016bb5249737e6219247e147d5147d8946a736ae9cc4b"
    )
)
WELCOME = bytes.fromhex(
    "04a80757454c434f4d45bdc5326fe038870a59e199cdfbe4f7ac7deba6480db5b9ac59fcd6c0b514e90c1c6c61e4d68c"
    "a1fa38054794590661ee5b66bf6fce1b00d74866b9efba8eecc40b6be99af1ac2563f3c60e8f29cba301ccf351d922e0"
    "e337ca6c36532c93d6eb017cf8688f0841d9a8de15dfcd5b572d8a5d3a775c0eb7814e347fb0d18298a1467ebe7fc8e0"
    "379ee4071a9d4ceea43e85bc2a99c7471e92999022c34b17efc9"
)
INITIATE = bytes.fromhex(
    "06000000000000011408494e4954494154459fd4386b474cad924ab16f48472f792d3b472a3ab66bfb13a817632780c1"
    "0d9ab6a66990b30a464980f1287c7074fe9397cac0edca341b749b496f1896c15f475f0d549f687839505b66af727d3d"
    "e36250596014b7b1c0677a4910d15b9ac4b2000000000000000213434498fc5269e0c0a94a38f9c39119d2e372ff7457"
    "7d1a89e7beaa4752ccf967a9038949086f62fa2961ae2f88a948624264146f53ebd30ee28590bfef81029f7a67158835"
    "5c091a8f56e7680e47b67547bb8c4be4b8a8ea6702f31a48516fc551b14194bd24a6f8e9d76805d196b1fba541699d62"
    "b53f63a52f12cd63c1bf06b37c9a8aa7c5ab8d4f140451e1b034cb2d3a3e091464d59189af763b495ee0286326"
)
COOKIE = INITIATE[18 : 18 + 96]
READY = bytes.fromhex(
    "0431 055245414459 0000000000000001"
    "8b6398a0d0a84a91c21a8fcac495377419fb68bc245c890b690c190cfa4a8140e00f46"
)
_MESSAGE = bytes.fromhex("074d455353414745")


def message(size: int, rest: str) -> bytes:
    """A MESSAGE frame of so many bytes, with what follows its name."""
    return bytes((0, size)) + _MESSAGE + bytes.fromhex(rest)


SUBSCRIBE_A = message(
    0x2C, "0000000000000003 d886d0a7e9b23dbd6903d78c6c4277e0e0b917dfdf29863069c7ac8d"
)
CANCEL_A = message(0x29, "0000000000000004 5fea44621a92e6497e2c12a3fa1b454e0fcc8d8094450d0f36")
# Flags and data of plain frames, and what is sent in their place, from the first nonce after READY.
SEALED = [
    (0, b"A1", message(0x23, "0000000000000002 8e2b1fb5eeefd438175854de96db47ce092e05")),
    (1, b"A", message(0x22, "0000000000000003 00c067ccae5d562880756f8758c8e9781305")),
    (1, b"", message(0x21, "0000000000000004 f84cd03f12bd8da1bb50e560f34bb0a660")),
    (0, b"x", message(0x22, "0000000000000005 c1a7193778c7e52fd308592bf200f93b3b7a")),
]
