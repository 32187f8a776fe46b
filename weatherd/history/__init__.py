"""
The history: one-minute and one-hour reductions of every quantity, kept for years beside the journal.

The journal is made to forget what is delivered and old; the panel wants a year at a glance. So each minute of each
series stays as a bin (`bins`), a day of them is a page of a few kilobytes (`pages`) in a file of its own (`file`),
written once an hour. What is not written yet waits in memory (`history`, `gathering`), and is gathered from the journal
again after a start; so is all of it, as far as the journal's retention goes, when the file is lost.
"""

from weatherd.history.bins import HOUR_MS, MINUTE_MS, Bin
from weatherd.history.file import Happened, Series
from weatherd.history.history import History

__all__ = ["HOUR_MS", "MINUTE_MS", "Bin", "Happened", "History", "Series"]
