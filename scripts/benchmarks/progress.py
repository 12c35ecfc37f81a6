"""How far a long run is: a live bar by rich on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.runner import Step


@contextmanager
def progress(total: int) -> Iterator[Step]:
    """Yields a function to be called before each of `total` steps."""
    try:
        from rich.progress import Progress
    except ImportError:
        yield _plain_step
        return
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    from rich.console import Console

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        done = -1

        def step(text: str) -> None:
            nonlocal done
            done += 1
            bar.update(task, description=text, completed=done)

        yield step


def _plain_step(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
