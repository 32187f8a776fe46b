"""A peer at work: started in folders of its own, with a far end of its own, and ended whatever happens."""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench_tools import Child, Disk, own_disk, running, runtime_folder

from peers.far_end import FarEnd, ending
from peers.numbered import Block
from peers.peer import Peer

Result = dict[str, float]
"""What was measured, by the name of the figure; a figure that does not apply is left out."""

FIRST_S_MAX = 30.0
QUIET_S = 1.0
QUIET_CPU_S = 0.02


class Work:
    """
    A peer, with what is around it.

    Attributes:
        child: Its process.
        far_end: Where it delivers to.
        folder: For what a station has in memory.
        disk: For what it keeps.
        written: Lines that were written into it and that it took.
    """

    def __init__(self, peer: Peer, folder: Path, disk: Disk, *, is_up: bool) -> None:
        self.peer = peer
        self.folder = folder
        self.disk = disk
        self.written = 0
        self.far_end = FarEnd(peer.pattern, peer.first, peer.answer, is_up=is_up)
        self.block = Block(peer.make_lines) if peer.make_lines else None
        self.started_s = time.monotonic()
        self.child = peer.start(folder, disk.folder, self.far_end.port)

    def restart(self) -> None:
        """Start it again where it was, once it has ended."""
        self.child.process.wait()
        self.close_pipe()
        self.child = self.peer.start(self.folder, self.disk.folder, self.far_end.port)

    def close_pipe(self) -> None:
        """Close its standard input, if that is ours."""
        if self.child.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.child.process.stdin.close()

    @contextlib.contextmanager
    def feeding(self) -> Iterator[Callable[[bytes], None]]:
        """Yield what writes into it."""
        with self.peer.feeding(self.child, self.folder) as write:
            yield write

    def line(self) -> bytes:
        """Return the next line; it counts as written when `written` is raised."""
        assert self.block is not None
        return self.block.line(self.written)

    def write_first(self, write: Callable[[bytes], None]) -> None:
        """Write one line, and wait until it is delivered: from then on it is in its stride."""
        write(self.line())
        self.written += 1
        self.far_end.wait_for(1, FIRST_S_MAX)

    def wait_until_quiet(self, time_s_max: float) -> None:
        """Wait until it has done what it had to do, told by its processor time."""
        give_up_at_s = time.monotonic() + time_s_max
        before_s = self.child.cpu_s()
        while time.monotonic() < give_up_at_s:
            time.sleep(QUIET_S)
            cpu_s = self.child.cpu_s()
            if cpu_s - before_s < QUIET_CPU_S:
                return
            before_s = cpu_s


@contextlib.contextmanager
def at_work(peer: Peer, *, is_up: bool = True, own_device: bool = False) -> Iterator[Work]:
    """
    Start a peer, and end it.

    Args:
        peer: The peer.
        is_up: Whether the far end listens from the beginning.
        own_device: Whether it keeps what it keeps on a file system of its own, so that what reaches it can be counted.
    """
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(runtime_folder())
        disk = Disk(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))), is_mounted=False)
        if own_device:
            disk = stack.enter_context(own_disk(disk.folder))
        work = Work(peer, folder, disk, is_up=is_up)
        stack.enter_context(ending(work.far_end))
        stack.callback(_stop, work)
        yield work


def _stop(work: Work) -> None:
    with running(work.child):
        work.close_pipe()


def reset_peak(child: Child) -> None:
    """
    Let the highest resident memory (VmHWM) start again from what it is now.

    Source:
        proc(5), /proc/PID/clear_refs: 5 resets the peak.
    """
    Path(f"/proc/{child.process.pid}/clear_refs").write_text("5")
