"""The pages of the documentation, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
REFERENCE = ROOT / "docs" / "reference"

BLOCK = re.compile(r"^```(\S*)[ ]?(.*)\n((?:(?!```).*\n)*)```$", re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    mark: str
    text: str


def blocks(page: str) -> list[Block]:
    """The fenced blocks, in order."""
    return [Block(*match.groups()) for match in BLOCK.finditer(page)]


def prose(page: str) -> str:
    """A page without its fenced blocks."""
    return BLOCK.sub("", page)


def section(page: str, title: str) -> str:
    """What stands under a heading of the second level; empty if there is none."""
    return page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def code_words(path: Path) -> set[str]:
    """Everything on a page that is set as code."""
    return set(CODE.findall(prose(path.read_text("utf-8"))))


def cells(line: str) -> list[str]:
    """The cells of a table row."""
    return [cell.strip() for cell in line.strip("|").split("|")]


def rows(path: Path) -> dict[str, list[str]]:
    """The cells of each table row that begins with code, by that code."""
    found = {}
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("| `") and len(cells(line)) > 1:
            found[CODE.findall(cells(line)[0])[0]] = cells(line)
    return found
