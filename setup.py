"""What pyproject.toml cannot say about building; all else is there.

- A source distribution keeps `fanout/workers` as the link to `workers/` that it is in the
  repository; setuptools would write every file twice.
- The description on an index has no neighbours: the README's links to files of the repository
  become their paths, and its pictures are left out.
- The compiled parts are built for the stable ABI of Python 3.11, so that one wheel serves all later
  ones; where one cannot be built, fanout does without. Each has in it for which sources it was
  built: one that is left over from others is not used.
"""

from __future__ import annotations

import re
import shutil
from glob import glob
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.sdist import sdist

ROOT = Path(__file__).parent

_ELSEWHERE = r"(?!https?://|mailto:|\#)"  # what leads to the web, or within the text, stays
_PICTURE = re.compile(rf"!\[[^\]]*\]\({_ELSEWHERE}[^)]*\)|<img\s[^>]*>")
_LINK = re.compile(rf"\[([^\]]*)\]\({_ELSEWHERE}([^)\s#]*)[^)]*\)")


def description() -> str:
    """The README as it can be read on its own."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return _LINK.sub(r"\1 (`\2`)", _PICTURE.sub("", text))


def part(name: str, sources: str, *beside: str) -> Extension:
    """A compiled part.

    Args:
        sources: what `fanout.compiled` has for those that it expects; it cannot be imported yet.
        beside: what its file includes.
    """
    text = (ROOT / "fanout" / "compiled.py").read_text(encoding="utf-8")
    (expected,) = re.findall(rf'^{sources} = "(\w+)"', text, re.MULTILINE)
    return Extension(
        f"fanout.{name}",
        [f"fanout/{name}.c"],
        depends=["fanout/compiled.py", *beside],
        define_macros=[("SOURCES", f'"{expected}"')],
        py_limited_api=True,
        optional=True,
    )


class LinkedSdist(sdist):
    """A source distribution in which the link is a link."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        """As ever, then the link in place of the copies."""
        super().make_release_tree(base_dir, files)
        link = Path(base_dir, "fanout", "workers")
        if link.is_dir() and not link.is_symlink():
            shutil.rmtree(link)
            link.symlink_to(Path("..", "workers"))


setup(
    cmdclass={"sdist": LinkedSdist},
    ext_modules=[
        part("_speed", "SOURCES", *sorted(glob("fanout/speed/*.h", root_dir=ROOT))),
        part("_boxes", "BOXES_SOURCES"),
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
    long_description=description(),
    long_description_content_type="text/markdown",
)
