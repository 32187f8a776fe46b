"""
weatherd beside what people would use instead: syslog-ng, rsyslog, collectd, WeeWX, and a script.

Each does the same work, with the same lines of 300 bytes, for a far end that counts each document by its number; how,
the modules of `peers` say. `make peers` gets the programs; one that is not there is left out, and named.

    up, dead   four a second for a while, all peers at once, each with a far end and a disk of its own (that needs root)
    flood      as many as possible, one peer after the other
    backlog    what was written while nobody listened, of those that keep something
    start      until the first document is there
    kill       killed while 2,000 a second come in

Figures of one run can be compared; a number in brackets is the ratio to weatherd's. Nothing is judged.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from bench_tools import machine
from peers import backlog, flood, killing, starting, steady
from peers.at_work import Result
from peers.collectd import Collectd
from peers.far_end import Capacity, measure_capacity
from peers.page import conditions, write_part
from peers.peer import NotThere, Peer
from peers.rsyslog import Rsyslog
from peers.script import Script
from peers.station import Weatherd
from peers.syslog_ng import SyslogNg
from peers.table import WORKS, as_markdown, as_text, rows, said
from peers.wee_wx import Weewx

PEERS: Sequence[type[Peer]] = (Weatherd, SyslogNg, Rsyslog, Collectd, Weewx, Script)
CAPACITY_S = 3.0
OVERHEAD_S = {"up": 20, "dead": 100, "flood": 25, "backlog": 70, "start": 2.5, "kill": 12}
"""What a work takes beyond its own length, roughly: starts, what is waited for, ends."""

Measure = Callable[[Peer], Result]


def main() -> None:
    """Measure, and print a table."""
    arguments = _arguments()
    found = dict(_find(arguments.peers))
    print(f"{machine()}; about {_expected_s(arguments, len(found)) / 60:.0f} minutes", flush=True)
    where = conditions()
    capacity = measure_capacity(min(CAPACITY_S, arguments.flood_seconds))
    print(_said_capacity(capacity), flush=True)
    results: dict[str, dict[str, Result]] = defaultdict(dict)
    for work, (measure, peers, at_once) in _works(arguments, list(found)).items():
        for peer, result in _measure(measure, peers, at_once=at_once):
            results[work][peer.name] = result
            print(f"{work}: {peer.name}: {said(work, result)}", flush=True)
    names = [peer.name for peer in found]
    table = [["", *names], *rows(results, names)]
    print(f"\n{as_text(table)}")
    if arguments.write:
        write_part("peers", _part(arguments, found, where, capacity, as_markdown(table)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure weatherd beside what people would use instead.")
    parser.add_argument("--seconds", type=float, default=120.0, help="of four a second (%(default)g)")
    parser.add_argument("--settle", type=float, default=steady.SETTLE_S, help="seconds before either (%(default)g)")
    parser.add_argument("--dead-seconds", type=float, default=150.0, help="of a dead far end (%(default)g)")
    parser.add_argument("--flood-seconds", type=float, default=30.0, help="of as many as possible (%(default)g)")
    parser.add_argument("--documents", type=int, default=1_000_000, metavar="N", help="of backlog (%(default)s)")
    parser.add_argument(
        "--starts", type=int, default=5, metavar="N", help="for the median of their times (%(default)s)"
    )
    parser.add_argument("--kills", type=int, default=3, metavar="N", help="(%(default)s)")
    parser.add_argument("--kill-seconds", type=float, default=3.0, help="before and after a kill (%(default)g)")
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS), metavar="WORK", help=", ".join(WORKS))
    parser.add_argument("--peers", nargs="+", metavar="NAME", help=", ".join(peer.name for peer in PEERS))
    parser.add_argument("--write", action="store_true", help="the table into docs/performance.md as well")
    return parser.parse_args()


def _find(names: Sequence[str] | None) -> Iterator[tuple[Peer, str]]:
    """Yield the peers that are there, with their versions; tell of the others."""
    for kind in PEERS:
        peer = kind()
        if names is not None and peer.name not in names:
            continue
        try:
            yield peer, peer.version()
        except NotThere as reason:
            print(f"left out: {peer.name} {reason}; `make peers` gets it")


def _works(arguments: argparse.Namespace, peers: Sequence[Peer]) -> dict[str, tuple[Measure, Sequence[Peer], bool]]:
    """Return by work how it is measured, of whom, and whether of all at once."""
    fed = [peer for peer in peers if peer.make_lines is not None]
    works: dict[str, tuple[Measure, Sequence[Peer], bool]] = {
        "up": (lambda peer: steady.while_up(peer, arguments.settle, arguments.seconds), peers, True),
        "dead": (lambda peer: steady.while_dead(peer, arguments.settle, arguments.dead_seconds), peers, True),
        "flood": (lambda peer: flood.measure(peer, arguments.flood_seconds), fed, False),
        "backlog": (
            lambda peer: backlog.measure(peer, arguments.documents),
            [peer for peer in fed if peer.keeps],
            False,
        ),
        "start": (lambda peer: starting.measure(peer, arguments.starts), peers, False),
        "kill": (lambda peer: killing.measure(peer, arguments.kills, arguments.kill_seconds), fed, False),
    }
    return {work: works[work] for work in works if work in arguments.works}


def _measure(measure: Measure, peers: Sequence[Peer], *, at_once: bool) -> Iterator[tuple[Peer, Result]]:
    """Yield the result of each; one that fails is told and left out."""
    with ThreadPoolExecutor(len(peers) if at_once else 1) as pool:
        waiting = [(peer, pool.submit(measure, peer)) for peer in peers]
        for peer, future in waiting:
            try:
                yield peer, future.result()
            except (NotThere, OSError) as reason:
                print(f"left out: {peer.name}: {reason}", flush=True)


def _expected_s(arguments: argparse.Namespace, count: int) -> float:
    """Return about how long it will take."""
    lengths: dict[str, float] = {
        "up": arguments.seconds,
        "dead": arguments.dead_seconds,
        "flood": count * arguments.flood_seconds,
        "backlog": 3 * arguments.documents / 50_000,
        "start": 0.0,
        "kill": count * arguments.kills * 2 * arguments.kill_seconds,
    }
    times: dict[str, int] = {"up": 1, "dead": 1, "flood": count, "backlog": 3, "start": count * arguments.starts}
    times["kill"] = count * arguments.kills
    works: Sequence[str] = arguments.works
    return 3 * CAPACITY_S + sum(lengths[work] + times[work] * OVERHEAD_S[work] for work in works)


def _said_capacity(capacity: Capacity) -> str:
    return (
        f"the far end takes {capacity.plain_per_s:,.0f} documents/s by itself in arrays of 500, "
        f"{capacity.gzip_per_s:,.0f} in compressed ones, {capacity.single_per_s:,.0f} one by one"
    )


def _part(arguments: argparse.Namespace, found: dict[Peer, str], where: str, capacity: Capacity, table: str) -> str:
    settings = "\n".join(f"- {peer.name} {version}: {peer.settings}." for peer, version in found.items())
    lengths = (
        f"{arguments.seconds:g} s of four documents a second, {arguments.dead_seconds:g} s of a dead far end, "
        f"{arguments.flood_seconds:g} s of as many as possible, a backlog of {arguments.documents:,}, "
        f"{arguments.starts} starts, {arguments.kills} kills"
    )
    return f"Measured {where}; {lengths}; {_said_capacity(capacity)}.\n\n{table}\n\n{settings}\n"


if __name__ == "__main__":
    started_s = time.monotonic()
    main()
    print(f"took {(time.monotonic() - started_s) / 60:.1f} minutes")
