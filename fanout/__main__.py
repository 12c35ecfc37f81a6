"""`python -m fanout`: the same as the `fanout` command."""

from __future__ import annotations

import sys

from fanout.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
