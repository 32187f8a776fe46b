"""
`weatherd journal`: what the journal keeps and what was refused, for people and other programs.

A running daemon is asked. Only where none runs, the file itself is opened, by the very code that the daemon uses; what
that leaves behind belongs to whom the journal belongs.
"""

import asyncio
import contextlib
import grp
import os
import pwd
import shutil
import signal
import stat
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from weatherd import config
from weatherd.cli import DEFAULT_CONFIG
from weatherd.control import NoDaemon, ask, ask_for, runtime_folders
from weatherd.errors import JournalError, JournalUnavailable
from weatherd.journal import Notice, SqliteJournal, memory_file
from weatherd.model import Event, Observation

REQUEUE_MAX = 1000
"""Documents to ask for in one request."""

_THREADS_S_MAX = 5.0
_REASON_LENGTH_MIN = 20

_Kind = TypeVar("_Kind")


class Ask(Protocol):
    """Asks a daemon, or a file, for an answer of a certain type."""

    def __call__(self, kind: type[_Kind], request: str, /, **arguments: object) -> _Kind:
        """Return the answer."""
        ...


class Span(msgspec.Struct):
    """The oldest and the newest seq."""

    first_seq: int
    last_seq: int


class Run(msgspec.Struct):
    """Documents that lie side by side; ``null`` for one that is gone, and none at all behind the newest."""

    first_seq: int = 0
    last_seq: int = 0
    documents: list[msgspec.Raw] = []


class Quarantined(msgspec.Struct):
    """A document in quarantine."""

    id: int
    sink: str
    seq: int
    reason: str
    quarantined_at: str
    document: msgspec.Raw


class _Page(msgspec.Struct):
    quarantined: list[Quarantined]


class _Count(msgspec.Struct):
    count: int


def quarantine(config_file: Path | None, *, as_json: bool) -> int:
    """Show what was refused, and why."""
    with opened(config_file) as ask_journal:
        count = 0
        for one in _quarantined(ask_journal):
            if as_json:
                print(msgspec.json.encode(one).decode())
            else:
                if not count:
                    print(f"{'seq':>12}  {'sink':<10}  {'when':<24}  reason")
                print(_shortened(f"{one.seq:>12}  {one.sink:<10}  {one.quarantined_at:<24}  ", one.reason))
            count += 1
    if not as_json:
        hint = "`weatherd journal requeue` tries all of them again, with `--seq N` those you name"
        print(f"\n{_documents(count)} in quarantine; {hint}" if count else "nothing is in quarantine")
    sys.stdout.flush()  # here a reader that has gone is no mistake
    return os.EX_OK


def requeue(config_file: Path | None, sink: str | None, seqs: Sequence[int]) -> int:
    """
    Let documents in quarantine be tried again; return 1 if some that were asked for are not there.

    Args:
        config_file: The configuration; None for the usual one.
        sink: Of this sink alone; None for all.
        seqs: These alone; none for all.
    """
    with opened(config_file) as ask_journal:
        wanted: dict[str, list[int]] = {}
        for one in _quarantined(ask_journal):
            if sink in {None, one.sink} and (not seqs or one.seq in seqs):
                wanted.setdefault(one.sink, []).append(one.seq)
        count = 0
        for name, its in wanted.items():
            for start in range(0, len(its), REQUEUE_MAX):
                some = its[start : start + REQUEUE_MAX]
                count += ask_journal(_Count, "journal.requeue", sink=name, seqs=some).count
    of_sink = "" if sink is None else f" for the sink {sink}"
    print(f"{_documents(count)} will be tried again" if count else f"nothing is in quarantine{of_sink} to try again")
    missing = sorted(set(seqs).difference(*wanted.values()))
    if missing:
        error = JournalError(
            f"not in quarantine{of_sink}: {', '.join(map(str, missing))}", "see `weatherd journal quarantine`"
        )
        sys.stdout.flush()
        print(error.report(), file=sys.stderr)
        return 1
    return os.EX_OK


@contextlib.contextmanager
def opened(config_file: Path | None) -> Iterator[Ask]:
    """
    Yield a way to ask the journal: the running daemon, or the file if none runs.

    Args:
        config_file: Whose journal; None for that of the running daemon, or of the usual configuration.

    Raises:
        WeatherdError: If neither can be asked.
    """
    settings = None if config_file is None else config.load(config_file)
    with _ending_in_good_order():
        if _is_running(settings):
            yield ask_for
        else:
            with _file(settings or config.load(DEFAULT_CONFIG)) as ask_file:
                yield ask_file


def _is_running(settings: config.Config | None) -> bool:
    """Tell whether a daemon runs; one of another station is none for this one."""
    try:
        status = ask("status")
    except NoDaemon:
        return False
    return settings is None or Path(status["journal"]["path"]) == settings.journal.path


@contextlib.contextmanager
def _ending_in_good_order() -> Iterator[None]:
    """Let SIGTERM and SIGHUP, as SIGINT, end what goes on so that all is put away."""
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    for each, handler in before.items():
        if handler is not signal.SIG_IGN:  # as under nohup
            signal.signal(each, signal.default_int_handler)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _quarantined(ask_journal: Ask) -> Iterator[Quarantined]:
    behind = 0
    while page := ask_journal(_Page, "journal.quarantined", behind=behind).quarantined:
        yield from page
        behind = page[-1].id


def _documents(count: int) -> str:
    return f"{count:,} document{'' if count == 1 else 's'}"


def _shortened(facts: str, reason: str) -> str:
    """Add a reason to a line, as much of it as a terminal has room for; it may be a page that a far end has sent."""
    reason = " ".join("".join(one if one.isprintable() else " " for one in reason).split())
    if sys.stdout.isatty():
        length = max(shutil.get_terminal_size().columns - len(facts), _REASON_LENGTH_MIN)
        if len(reason) > length:
            reason = f"{reason[: length - 1]}…"
    return facts + reason


@contextlib.contextmanager
def _file(settings: config.Config) -> Iterator[Ask]:
    """Open the journal's file, as the daemon would, and yield a way to ask it."""
    from weatherd.clock import SystemClock
    from weatherd.daemon.answers import journal_answers

    path = settings.journal.path
    memory = _memory(path)
    owner = _Owner(path, memory)
    journal = SqliteJournal(
        path,
        encode=_encode_nothing,
        clock=SystemClock(),
        sinks=[name for name in settings.sinks.__struct_fields__ if getattr(settings.sinks, name) is not None],
        station_id=settings.station.id,
        size_max=settings.journal.size_max,
        retention_s=settings.journal.retention_s,
        when_full=settings.journal.when_full,
        memory=memory,
        tell=_tell,
    )
    answers = journal_answers(journal)

    with asyncio.Runner() as runner:

        def ask_file(kind: type[_Kind], request: str, /, **arguments: object) -> _Kind:
            async def answer() -> Mapping[str, object]:
                return await answers[request](arguments)

            return msgspec.json.decode(msgspec.json.encode(runner.run(answer())), type=kind)

        try:
            runner.run(journal.open())
            owner.keep()
            yield ask_file
        finally:
            try:
                runner.run(journal.close())
                _wait_for_threads()
            finally:
                owner.keep()


def _memory(path: Path) -> Path | None:
    """Return where the young entries of a killed daemon are, if they are anywhere."""
    for folder in runtime_folders():
        if folder.is_dir() and (found := memory_file(folder, path)) and any(one.exists() for one in _pair(found)):
            return found
    return None


def _pair(memory: Path) -> Sequence[Path]:
    return memory, memory.with_name(f"{memory.name}2")


def _encode_nothing(entry: Observation | Event, seq: int) -> bytes:
    raise AssertionError(f"{entry} becomes entry {seq}, and nothing is observed here")


def _tell(notice: Notice) -> None:
    print(f"warning: {notice.name}: {notice.message}", file=sys.stderr)


def _wait_for_threads() -> None:
    """Wait until the journal's threads have ended: after a failure, they give files back behind our back."""
    for thread in threading.enumerate():
        if thread.name.startswith("journal"):
            thread.join(_THREADS_S_MAX)


class _Owner:
    """
    Whose the journal is, and stays, with everything beside it.

    Args:
        path: Of the database.
        memory: Of the young tail, if there is one.

    Raises:
        JournalUnavailable: If there is no journal, or what is made beside it could not be given to its owner.
    """

    def __init__(self, path: Path, memory: Path | None) -> None:
        try:
            status = path.stat()
        except FileNotFoundError:
            raise JournalUnavailable(
                f"there is no journal {path}",
                "the daemon makes it at its first start; is journal.path right, or another file meant by --config?",
            ) from None
        except OSError as error:
            raise JournalUnavailable(f"the journal {path} cannot be opened: {error.strerror}", "use sudo") from error
        self._path = path
        self._memory = memory
        self._uid, self._gid = status.st_uid, status.st_gid
        if os.geteuid() not in {0, self._uid}:
            raise JournalUnavailable(
                f"the journal {path} belongs to {_user(self._uid)}, who could not use what is made beside it",
                "use sudo",
            )

    def keep(self) -> None:
        """
        Give every file of the journal to its owner.

        Raises:
            JournalUnavailable: If that cannot be done.
        """
        for path in self._files():
            try:
                self._give(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                names = f"{_user(self._uid)}:{_group(self._gid)}"
                raise JournalUnavailable(
                    f"{path} cannot be given to {names}: {error.strerror}", f"do that: `chown {names} {path}`"
                ) from error

    def _files(self) -> Iterator[Path]:
        name = self._path.name
        for end in ("", "-wal", "-tail", "-tail2", ".new", ".new-wal"):
            yield self._path.with_name(name + end)
        with contextlib.suppress(OSError):
            yield from (one for one in self._path.parent.iterdir() if one.name.startswith(f"{name}.damaged-"))
        if self._memory is not None:
            yield from _pair(self._memory)

    def _give(self, path: Path) -> None:
        status = path.lstat()
        # A link may lead to a file that is none of the journal's, and its folder belongs to another user.
        is_ours = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
        if is_ours and (status.st_uid, status.st_gid) != (self._uid, self._gid):
            with contextlib.nullcontext() if os.geteuid() == 0 else contextlib.suppress(PermissionError):
                os.chown(path, self._uid, self._gid, follow_symlinks=False)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
