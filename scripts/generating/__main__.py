"""Writes each of them into the repository that is named."""

from __future__ import annotations

import sys
from pathlib import Path

from generating import option_arguments

if __name__ == "__main__":
    root = Path(sys.argv[1])
    options = (root / option_arguments.SOURCE).read_text(encoding="utf-8")
    made = option_arguments.text_for(options)
    (root / option_arguments.TARGET).write_text(made, encoding="utf-8")
