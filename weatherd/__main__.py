"""`python -m weatherd` is `weatherd`."""

from weatherd.cli import main

raise SystemExit(main())
