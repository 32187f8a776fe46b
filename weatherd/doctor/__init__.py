"""
Try everything that a station needs, and tell of each thing how it is and how to mend it.

What is found out is a `Finding`; whoever prints them decides how. These are the promises:

1. Nothing stops the rest: a check that fails, hangs or is our own mistake costs one finding.
2. Every check has a deadline. Sensors are tried one after the other, as they share a bus, and sinks at the same time.
3. Nothing is left behind: no file, no document, no setting of a chip beyond what opening it does.
4. From a running daemon nothing is taken: what it holds (chips, sockets, the journal) it is asked about.
5. No secret is told.
"""

from weatherd.doctor.examination import examine
from weatherd.doctor.findings import Finding, State, mistakes

__all__ = ["Finding", "State", "examine", "mistakes"]
