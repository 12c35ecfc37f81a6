"""Entry point: `python -m interoperation`."""

from interoperation.cli import main

raise SystemExit(main())
