"""Entry point: `python -m soaking`."""

from soaking.cli import main

raise SystemExit(main())
