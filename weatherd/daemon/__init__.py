"""The composition root: `assembly` builds every part, `lifecycle` runs and stops them, `status` tells how they are."""

from weatherd.daemon.assembly import Parts, assemble
from weatherd.daemon.lifecycle import Daemon

__all__ = ["Daemon", "Parts", "assemble"]
