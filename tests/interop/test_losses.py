"""The programs of the page on losses, in other languages, see the gap that there is."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zmq

from tests.helpers.javascript import node_with_zeromq
from tests.helpers.pages import ROOT, blocks
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = ROOT / "docs" / "howto" / "losses.md"
EPOCH = 1 << 40
OTHER = 1 << 41

# What the program in C uses of zmq.h, which Python packages of libzmq do not have.
HEADER = """
#include <stddef.h>
enum { ZMQ_SUB = 2, ZMQ_SUBSCRIBE = 6, ZMQ_RCVMORE = 13 };
void *zmq_ctx_new(void);
void *zmq_socket(void *, int);
int zmq_setsockopt(void *, int, const void *, size_t);
int zmq_getsockopt(void *, int, void *, size_t *);
int zmq_connect(void *, const char *);
int zmq_recv(void *, void *, size_t, int);
"""


def program(language: str) -> str:
    (text,) = (
        block.text for block in blocks(PAGE.read_text("utf-8")) if block.language == language
    )
    return text


def library() -> Path | None:
    """The libzmq that pyzmq has brought."""
    found = Path(zmq.__file__).parents[1].glob("pyzmq.libs/libzmq*.so*")
    return next(iter(found), None)


def in_c(folder: Path) -> list[str]:
    compiler, shared = shutil.which("cc"), library()
    if compiler is None or shared is None:
        pytest.skip("there is no compiler, or no libzmq to link to")
    (folder / "zmq.h").write_text(HEADER)
    (folder / "losses.c").write_text(program("c"))
    flags = ["-Wall", "-Wextra", "-Werror", "-I.", f"-Wl,-rpath,{shared.parent}"]
    subprocess.run(
        [compiler, *flags, "losses.c", shared, "-Wl,--allow-shlib-undefined", "-o", "losses"],
        cwd=folder, check=True, timeout=DEADLINE_S,
    )  # fmt: skip
    return [str(folder / "losses")]


def in_javascript(folder: Path) -> list[str]:
    (folder / "losses.js").write_text(program("javascript"))
    return [node_with_zeromq(folder), "losses.js"]


@pytest.mark.parametrize(
    "make",
    [in_c, pytest.param(in_javascript, marks=pytest.mark.slow)],  # it may ask npm
)
def test_a_program_sees_the_gaps_and_no_others(
    make: Callable[[Path], list[str]], tmp_path: Path
) -> None:
    command = make(tmp_path)
    with zmq.Context() as context, context.socket(zmq.XPUB) as publisher:
        publisher.set(zmq.LINGER, 0)
        publisher.set(zmq.RCVTIMEO, int(DEADLINE_S * 1000))
        port = publisher.bind_to_random_port("tcp://127.0.0.1")
        with subprocess.Popen(
            [*command, f"tcp://127.0.0.1:{port}"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                assert publisher.recv() == b"\1"
                numbers = [(EPOCH, 5), (EPOCH, 6), (EPOCH, 9), (OTHER, 3), (OTHER, 4), (OTHER, 6)]
                for number in numbers:
                    publisher.send_multipart([b"t", b"payload", struct.pack(">QQ", *number)])
                assert process.stdout is not None
                lines = [process.stdout.readline() for _ in range(2)]
                assert lines == ["lost 2 before 9\n", "lost 1 before 6\n"]
            finally:
                process.kill()
