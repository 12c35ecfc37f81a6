"""A network of our own, with an address that is not the loopback's: nothing leaves the machine."""

from __future__ import annotations

import ctypes
import fcntl
import socket
import struct

CLONE_NEWNET = 0x4000_0000
SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFADDR = 0x8913, 0x8914, 0x8916
IFF_UP = 1
OUTSIDE = "198.51.100.7"  # reserved for documentation (RFC 5737)
LOOPBACK = "127.0.0.1"


def own_network() -> str | None:
    """Moves this process, and all that it starts, into a network namespace of its own.

    Returns:
        An address there that is not the loopback's; None if that is not permitted, and nothing has
        changed then.
    """
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        return None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        _bring_up(control, b"lo")
        # An alias of the loopback device: packets stay in the kernel, the address is another one.
        address = struct.pack("<H2x4s8x", socket.AF_INET, socket.inet_aton(OUTSIDE))
        fcntl.ioctl(control, SIOCSIFADDR, struct.pack("16s16s8x", b"lo:1", address))
        _bring_up(control, b"lo:1")
    return OUTSIDE


def _bring_up(control: socket.socket, name: bytes) -> None:
    request = bytearray(struct.pack("16sH22x", name, 0))
    fcntl.ioctl(control, SIOCGIFFLAGS, request)
    _, flags = struct.unpack_from("16sH", request)
    fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH22x", name, flags | IFF_UP))
