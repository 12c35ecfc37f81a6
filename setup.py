"""What pyproject.toml cannot say about building; all else is there.

- A source distribution keeps `fanout/workers` as the link to `workers/` that it is in the
  repository; setuptools would write every file twice.
- The description on an index has no neighbours: the README's links to files of the repository
  become their paths, and its pictures are left out.
- The compiled part is built for the stable ABI of Python 3.11, so that one wheel serves all later
  ones; where it cannot be built, fanout does without. It has in it for which sources it was built:
  one that is left over from others is not used.
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


def sources() -> str:
    """What `fanout.compiled` expects of the compiled part; it cannot be imported yet."""
    text = (ROOT / "fanout" / "compiled.py").read_text(encoding="utf-8")
    return str(re.findall(r'^SOURCES = "(\w+)"$', text, re.MULTILINE)[0])


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
        Extension(
            "fanout._speed",
            ["fanout/_speed.c"],
            depends=["fanout/compiled.py", *sorted(glob("fanout/speed/*.h", root_dir=ROOT))],
            define_macros=[("SOURCES", f'"{sources()}"')],
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
    long_description=description(),
    long_description_content_type="text/markdown",
)
