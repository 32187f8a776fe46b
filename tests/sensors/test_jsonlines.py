"""The jsonlines driver: real programs and real sockets, which may do what they like."""

import asyncio
import contextlib
import datetime as dt
import itertools
import os
import signal
import socket
import stat
import struct
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import FakeClock, quiet_log, recording_log, settle
from weatherd.errors import SourceEnded, UnavailableError
from weatherd.happenings import Happenings
from weatherd.model import Arrival, Event, Observation, Station
from weatherd.processing.derivation import Derivation
from weatherd.queueing import BoundedQueue
from weatherd.sampling.condition import Condition
from weatherd.sampling.forming import Former
from weatherd.sampling.telling import Listener, ToldSampler
from weatherd.sensors import jsonlines
from weatherd.sensors.jsonlines import CLIENTS_MAX, LINE_SIZE_MAX, JsonLinesCommand, JsonLinesListener, _Readiness
from weatherd.sensors.lines import Field, LineReader

PIPE_SIZE = 65_536


class Taker:
    """Takes arrivals as the sampler does: all at once, and then waits while it is blocked."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.room = asyncio.Event()
        self.room.set()

    async def __call__(self, arrivals: Mapping[str, Sequence[Arrival]]) -> None:
        for its_arrivals in arrivals.values():
            self.arrivals.extend(its_arrivals)
        await self.room.wait()

    @property
    def values(self) -> list[float]:
        return [arrival.measurement["air_temperature"] for arrival in self.arrivals]


def reader() -> LineReader:
    return LineReader(
        {"air_temperature": Field("t")},
        match={},
        observed_at=None,
        time_zone=dt.UTC,
        labels=("client",),
        repeat_window_s=0.0,
    )


def lines(values: range, client: int = 0) -> bytes:
    return b"".join(b'{"t": %d, "client": %d}\n' % (value, client) for value in values)


async def until(condition: Callable[[], object], timeout_s: float = 5.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  -- it looks at processes, which tell nobody
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def cancelled_at_the_end(task: asyncio.Task[None]) -> AsyncIterator[asyncio.Task[None]]:
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def open_files_count() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def is_gone(pid: float) -> bool:
    """Tell whether a process has ended and nothing is left of it."""
    return not Path(f"/proc/{int(pid)}").exists()


def children() -> set[str]:
    """Return the processes that wait for us at their end, zombies too; a session's, such as an engine, among them."""
    return {pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}


def oom_score(pid: object) -> int:
    """Return how much sooner than by its size the kernel kills a process."""
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


def is_alive(pid: float) -> bool:
    """Tell whether a process still runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{int(pid)}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


# A program -------------------------------------------------------------------------------------------------------


class Program:
    """A shell script under the driver, with all that came of it."""

    def __init__(self, script: str, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        log, self.log = recording_log()
        self.taker = Taker()
        self.source = JsonLinesCommand({"garden": reader()}, self.clock, log, command=["sh", "-c", script])

    async def ended(self) -> SourceEnded:
        with pytest.raises(SourceEnded) as raised:
            await asyncio.wait_for(self.source.run(self.taker), 10)
        return raised.value

    def running(self) -> contextlib.AbstractAsyncContextManager[asyncio.Task[None]]:
        return cancelled_at_the_end(asyncio.create_task(self.source.run(self.taker)))

    def said(self, event: str) -> list[str]:
        return [str(line["message"]) for line in self.log if line["event"] == event]


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let SIGKILL follow SIGTERM sooner than for users."""
    monkeypatch.setattr(jsonlines, "_TERMINATION_S_MAX", 0.2)


@pytest.mark.parametrize(
    ("script", "how"),
    [
        ("exit 0", "ended with exit code 0"),
        ("exit 3", "ended with exit code 3"),
        ("kill -KILL $$", "was ended by SIGKILL"),
        ("kill -40 $$", "was ended by signal 40"),
    ],
)
async def test_what_a_program_printed_counts_however_it_ends(script: str, how: str) -> None:
    """Every line is handed over, and the last one needs no line break; then the end is told with its reason."""
    program = Program(f"""echo '{{"t": 1}}'; echo nonsense; printf '{{"t": 2}}\\r\\n\\n  \\n{{"t": 3}}'; {script}""")
    error = await program.ended()
    assert error.sentence == f"sh {how}"
    assert error.hint
    assert program.taker.values == [1, 2, 3]
    assert program.source.counts["garden"] == {"lines": 4, "taken": 3, "not_json": 1}


@pytest.mark.parametrize("command", ["no-such-program", "/no/such/program", "/etc", "/etc/passwd"])
async def test_a_program_that_cannot_be_started_is_a_source_that_has_ended(command: str) -> None:
    """A missing program, a folder, or a file that cannot be executed is told with a hint, and leaves nothing open."""
    open_before = open_files_count()
    source = JsonLinesCommand({"garden": reader()}, FakeClock(), quiet_log(), command=[command, "--password=secret"])
    with pytest.raises(SourceEnded, match="cannot be started") as raised:
        await source.run(Taker())
    assert "secret" not in raised.value.report()
    assert open_files_count() == open_before


async def test_a_program_is_started_again_with_backoff() -> None:
    """A program that ends is told to be lost once, and is started again after each delay."""
    clock = FakeClock()
    queue: BoundedQueue[Observation | Event] = BoundedQueue(100)
    log, said = recording_log()
    source = JsonLinesCommand({"garden": reader()}, clock, log, command=["sh", "-c", """echo '{"t": 1}'"""])
    condition = Condition("garden", clock, Happenings(queue, clock, log))
    former = Former("garden", "jsonlines", Derivation(Station("test")), clock, {})
    told = ToldSampler("jsonlines", clock, former, condition, report_period_s=0)
    listener = Listener(source, {"garden": told}, clock, queue, delays=lambda: iter([10.0, 20.0, 40.0]))
    async with cancelled_at_the_end(asyncio.create_task(listener.run())):
        for count, delay_s in ((1, 10.0), (2, 20.0)):
            await until(lambda count=count: condition.failures_count == count)
            await clock.advance(delay_s - 1.0)
            assert source.counts["garden"]["lines"] == count
            await clock.advance(1.5)
        await until(lambda: condition.failures_count == 3)
    actions = [entry.action if isinstance(entry, Event) else "observed" for entry in queue.take(100)]
    assert actions == [
        "observed",
        "sensor_lost",
        "sensor_found",
        "observed",
        "sensor_lost",
        "sensor_found",
        "observed",
        "sensor_lost",
    ]
    assert [line["event"] for line in said].count("sampling.sensor_lost") == 3


async def test_a_cancelled_program_ends_with_all_that_it_started() -> None:
    """When the station stops, the program gets SIGTERM together with its children, and no zombie is left."""
    before = children()
    program = Program("""sleep 60 & echo "{\\"t\\": $!}"; echo "{\\"t\\": $$}"; wait""")
    async with program.running():
        await until(lambda: len(program.taker.values) == 2)
        assert children() > before
    child, parent = program.taker.values
    assert not is_alive(child)
    assert is_gone(parent)
    assert children() <= before


async def test_the_kernel_kills_a_program_before_the_station() -> None:
    """Where memory runs out, the program and what it starts have a worse score than we, whatever their size."""
    ours = oom_score("self")
    told = f'until [ "$(cat /proc/$$/oom_score_adj)" != {ours} ]; do sleep 0.01; done'
    program = Program(told + """; echo "{\\"t\\": $$}"; sleep 60 & echo "{\\"t\\": $!}"; wait""")
    async with program.running():
        await until(lambda: len(program.taker.values) == 2)
        scores = [oom_score(int(pid)) for pid in program.taker.values]
    assert scores == [min(ours + 500, 1000)] * 2


@pytest.mark.usefixtures("soon")
async def test_a_child_that_escapes_does_not_keep_a_dead_program_alive() -> None:
    """What left the process group and holds the output open is not waited for: the program has ended, and is told."""
    program = Program("""setsid sleep 30 & echo '{"t": 1}'; echo "{\\"t\\": $!}"; exit 4""")
    error = await program.ended()
    assert error.sentence == "sh ended with exit code 4"
    assert program.taker.values[0] == 1
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(program.taker.values[1]), signal.SIGKILL)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("script", ["", "trap '' TERM;", "trap 'exit 0' TERM;"])
async def test_who_ignores_sigterm_is_killed(script: str) -> None:
    """A program that does not end, or leaves children behind that do not, is killed after a while."""
    program = Program(
        f"""{script} (trap '' TERM; while :; do sleep 0.05; done) & echo "{{\\"t\\": $!}}"; echo "{{\\"t\\": $$}}"; """
        "while :; do sleep 0.05; done"
    )
    async with asyncio.timeout(20.0), program.running():
        await until(lambda: len(program.taker.values) == 2)
    child, parent = program.taker.values
    await until(lambda: not is_alive(child))
    assert is_gone(parent)


async def test_what_a_program_leaves_behind_does_not_keep_it_alive() -> None:
    """A child that holds the output open after the program has ended is ended too, and the source has ended."""
    program = Program("""sleep 60 & echo "{\\"t\\": $!}"; exit 7""")
    error = await program.ended()
    assert error.sentence == "sh ended with exit code 7"
    assert not is_alive(program.taker.values[0])


async def test_what_a_program_started_has_time_to_end(tmp_path: Path) -> None:
    """When the program has gone at once, its children still have their time between SIGTERM and SIGKILL."""
    farewell = tmp_path / "farewell"
    program = Program(
        f"""(trap "sleep 0.1; echo bye > '{farewell}'; exit" TERM; echo '{{"t": 1}}'; """
        "while :; do sleep 0.02; done) & exec sleep 60"
    )
    async with program.running():
        await until(lambda: program.taker.values)
    assert farewell.read_text() == "bye\n"


@pytest.mark.usefixtures("soon")
async def test_who_has_left_the_group_does_not_keep_the_program_alive() -> None:
    """A child in a session of its own that holds stderr open is left alone, and the source has ended."""
    program = Program("""setsid sleep 60 >/dev/null & echo "{\\"t\\": $!}"; sleep 0.1""")
    error = await program.ended()
    assert error.sentence == "sh ended with exit code 0"
    os.kill(int(program.taker.values[0]), signal.SIGKILL)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(("trap", "name"), [("", "SIGTERM"), ("trap '' TERM;", "SIGKILL")])
async def test_a_program_that_closes_its_output_is_ended(trap: str, name: str) -> None:
    """A program that lives on without an output, stderr still open, is of no use: it is ended and told."""
    program = Program(f"""{trap} echo "{{\\"t\\": $$}}"; exec >&-; exec sleep 60""")
    error = await program.ended()
    assert error.sentence == f"sh was ended by {name}"
    assert not is_alive(program.taker.values[0])


async def test_closing_stderr_ends_nothing() -> None:
    """A program may close its stderr and print on."""
    program = Program("""exec 2>&-; echo '{"t": 1}'; sleep 0.05; echo '{"t": 2}'""")
    await program.ended()
    assert program.taker.values == [1, 2]


@pytest.fixture
def open_input() -> Iterator[None]:
    """Let the input of this process be one that never ends, as at a terminal."""
    reading_end, writing_end = os.pipe()
    before = os.dup(0)
    os.dup2(reading_end, 0)
    yield
    os.dup2(before, 0)
    for file in (reading_end, writing_end, before):
        os.close(file)


@pytest.mark.usefixtures("open_input")
async def test_a_program_has_nothing_to_read() -> None:
    """The program's input is empty, so that none waits for a key."""
    program = Program("""cat; echo '{"t": 1}'""")
    await program.ended()
    assert program.taker.values == [1]


async def test_stderr_goes_to_the_log() -> None:
    """Each line of stderr is a line of our log, the last words too, whatever bytes are in it."""
    program = Program(
        """printf 'one\\n\\n\\377two\\n' >&2; head -c 50000 /dev/zero | tr '\\0' '\\n' >&2; """
        "printf 'last words' >&2; exit 1"
    )
    await program.ended()
    assert program.said("jsonlines.stderr") == ["sh: one", "sh: \N{REPLACEMENT CHARACTER}two", "sh: last words"]


async def test_a_flood_on_stderr_is_logged_at_a_bounded_rate() -> None:
    """Thirty lines a minute are logged, each cut, and the rest is counted; the readings do not suffer."""
    program = Program(
        """i=0; long=$(printf '%09999d' 1); while [ $i -lt 60 ]; do echo "$i $long" >&2; i=$((i+1)); done; """
        """head -c 200000 /dev/zero >&2; echo >&2; echo '{"t": 1}'"""
    )
    await program.ended()
    assert program.taker.values == [1]
    said = program.said("jsonlines.stderr")
    assert len(said) == 30
    assert max(map(len, said)) < 600
    await program.clock.advance(60)
    await program.ended()
    assert program.log[30]["held_back_count"] == 31
    assert len(program.said("jsonlines.stderr")) == 60


async def test_a_program_waits_while_there_is_no_room() -> None:
    """While what it printed finds no place, the program is made to wait; then every line comes once and in order."""
    program = Program("""seq -f '{"t": %.0f}' 1 20000; echo done >&2""")
    program.taker.room.clear()
    async with program.running() as run:
        await until(lambda: program.taker.values)
        await asyncio.sleep(0.1)
        assert program.said("jsonlines.stderr") == []
        assert len(program.taker.values) < 4000
        program.taker.room.set()
        with pytest.raises(SourceEnded):
            await run
    assert program.said("jsonlines.stderr") == ["sh: done"]
    assert program.taker.values == list(range(1, 20_001))


async def test_what_was_printed_before_the_end_waits_for_room() -> None:
    """When a program has ended while there was no room, what it had printed is not cut off."""
    program = Program("""seq -f '{"t": %.0f}' 1 3000""")
    program.taker.room.clear()
    async with program.running() as run:
        await until(lambda: program.taker.values)
        await asyncio.sleep(0.1)
        program.taker.room.set()
        with pytest.raises(SourceEnded):
            await run
    assert program.taker.values == list(range(1, 3001))


async def test_a_stop_while_there_is_no_room_is_quick_and_loses_nothing_handed_over() -> None:
    """Cancelled while the queue is full, the source ends at once, and what the sampler has follows later."""
    clock = FakeClock()
    queue: BoundedQueue[Observation | Event] = BoundedQueue(8)
    source = JsonLinesCommand(
        {"garden": reader()}, clock, quiet_log(), command=["sh", "-c", """exec seq -f '{"t": %.0f}' 1 20000"""]
    )
    told = ToldSampler(
        "jsonlines",
        clock,
        Former("garden", "jsonlines", Derivation(Station("test")), clock, {}),
        Condition("garden", clock, Happenings(queue, clock, quiet_log())),
        report_period_s=0,
    )
    listener = Listener(source, {"garden": told}, clock, queue, delays=lambda: iter([10.0]))
    run = asyncio.create_task(listener.run())
    await until(lambda: queue.depth == 6)
    run.cancel()
    await asyncio.wait_for(asyncio.gather(run, return_exceptions=True), 10.0)
    taken: list[Observation | Event] = []
    finish = asyncio.create_task(listener.finish())
    while not finish.done() or queue.depth:
        taken += queue.take(100)
        await settle()
    await finish
    values = [entry.values["air_temperature"] for entry in taken if isinstance(entry, Observation)]
    assert values == list(range(1, source.counts["garden"]["taken"] + 1))
    assert source.counts["garden"]["taken"] > 6


# A socket --------------------------------------------------------------------------------------------------------


class Listening:
    """A listener that runs, with all that came of it."""

    def __init__(self, source: JsonLinesListener, said: list[dict[str, object]]) -> None:
        self.source = source
        self.log = said
        self.taker = Taker()

    def connect(self) -> socket.socket:
        address = self.source.address
        client = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PIPE_SIZE)
        client.connect(address)
        client.setblocking(False)
        return client

    async def send(self, content: bytes) -> None:
        with self.connect() as client:
            await asyncio.get_running_loop().sock_sendall(client, content)

    def said(self, event: str) -> list[dict[str, object]]:
        return [line for line in self.log if line["event"] == event]


def make_listener(listen: Path | tuple[str, int]) -> Listening:
    log, said = recording_log()
    return Listening(JsonLinesListener({"garden": reader()}, FakeClock(), log, listen=listen), said)


@pytest.fixture(params=["tcp", "unix"])
async def listening(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Listening]:
    """Return a listener on a loopback port, and one on a Unix socket."""
    one = make_listener(("127.0.0.1", 0) if request.param == "tcp" else tmp_path / "in.sock")
    await one.source.open()
    async with cancelled_at_the_end(asyncio.create_task(one.source.run(one.taker))):
        yield one
    await one.source.close()


async def test_what_clients_write_arrives(listening: Listening) -> None:
    """Clients come and go, one after the other, and the last line of each needs no line break."""
    for value in range(5):
        await listening.send(b'{"t": %d}\r\n\n{"t": %d}' % (value, value + 100))
    await until(lambda: len(listening.taker.values) == 10)
    assert sorted(listening.taker.values) == [0, 1, 2, 3, 4, 100, 101, 102, 103, 104]


async def test_many_clients_write_at_once(listening: Listening) -> None:
    """The lines of many clients at once all arrive, each client's in order."""
    await asyncio.gather(*(listening.send(lines(range(300), client)) for client in range(20)))
    await until(lambda: len(listening.taker.values) == 6000)
    for client in range(20):
        ours = [arrival for arrival in listening.taker.arrivals if arrival.labels["client"] == str(client)]
        assert [arrival.measurement["air_temperature"] for arrival in ours] == list(range(300))


async def test_one_client_too_many_is_turned_away(tmp_path: Path) -> None:
    """Of more clients than allowed, even if all are there before the first is served, the last are turned away."""
    listening = make_listener(tmp_path / "in.sock")
    await listening.source.open()
    clients = [listening.connect() for _ in range(CLIENTS_MAX)]
    loop = asyncio.get_running_loop()
    async with cancelled_at_the_end(asyncio.create_task(listening.source.run(listening.taker))):
        for value, client in enumerate(clients):
            await loop.sock_sendall(client, b'{"t": %d}\n' % value)
        await until(lambda: len(listening.taker.values) == CLIENTS_MAX)
        for _ in range(3):
            with listening.connect() as late:
                assert await asyncio.wait_for(loop.sock_recv(late, 1), 5) == b""
        assert len(listening.said("jsonlines.turned_away")) == 1
        clients.pop().close()
        await until(lambda: len(listening.source._clients) < CLIENTS_MAX)
        await listening.send(b'{"t": 1000}\n')
        await until(lambda: 1000 in listening.taker.values)
        for client in clients:
            client.close()
    await listening.source.close()


async def test_a_burst_of_clients_is_held_to_the_limit() -> None:
    """Clients that connected before the loop had a turn for the first of them are counted all the same."""
    listening = make_listener(("127.0.0.1", 0))
    await listening.source.open()
    assert listening.source._socket is not None
    listening.source._socket.listen(200)
    clients = [listening.connect() for _ in range(CLIENTS_MAX + 30)]
    async with cancelled_at_the_end(asyncio.create_task(listening.source.run(listening.taker))):
        await until(lambda: listening.said("jsonlines.turned_away"))
        await settle()
        assert len(listening.source._clients) == CLIENTS_MAX
    assert not listening.source._clients
    for client in clients:
        client.close()
    await listening.source.close()


async def test_what_a_client_sent_before_it_broke_off_counts() -> None:
    """A reset connection costs neither the lines before it nor the other clients."""
    listening = make_listener(("127.0.0.1", 0))
    await listening.source.open()
    listening.taker.room.clear()
    async with cancelled_at_the_end(asyncio.create_task(listening.source.run(listening.taker))):
        client = listening.connect()
        await asyncio.get_running_loop().sock_sendall(client, lines(range(2000)) + b'{"t": 99')
        await until(lambda: listening.taker.values)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        listening.taker.room.set()
        await until(lambda: listening.said("jsonlines.client_lost"))
        assert listening.taker.values == list(range(2000))
        await listening.send(b'{"t": -1}\n')
        await until(lambda: listening.taker.values[-1] == -1)
    await listening.source.close()


async def test_a_client_waits_while_there_is_no_room(listening: Listening) -> None:
    """While there is no room a client's send blocks; afterwards every line arrives once and in order."""
    content = lines(range(60_000))
    listening.taker.room.clear()
    sent = asyncio.Event()

    async def send() -> None:
        await listening.send(content)
        sent.set()

    sending = asyncio.create_task(send())
    with listening.connect() as other:
        await asyncio.get_running_loop().sock_sendall(other, b'{"t": -1}\n')
        await until(lambda: len(listening.taker.values) > 1)
        taken = len(listening.taker.values)
        await asyncio.sleep(0.1)
        assert not sent.is_set()
        assert len(listening.taker.values) == taken < 1000
        listening.taker.room.set()
        await until(lambda: len(listening.taker.values) == 60_001)
    await sending
    values = listening.taker.values
    values.remove(-1)
    assert values == list(range(60_000))


@pytest.mark.parametrize("turns_count", range(6))
async def test_what_was_taken_from_the_kernel_outlives_a_stop_in_that_very_moment(
    tmp_path: Path, turns_count: int
) -> None:
    """A stop, so many turns of the loop after a line was written: either it is still the writer's, or it is ours."""
    one = make_listener(tmp_path / "in.sock")
    await one.source.open()
    running = asyncio.create_task(one.source.run(one.taker))
    loop = asyncio.get_running_loop()

    def turn(left: int) -> None:
        if left:
            loop.call_soon(turn, left - 1)
        else:
            running.cancel()

    with one.connect() as client:
        await until(lambda: one.source._clients)
        await asyncio.sleep(0.01)  # until it waits for bytes
        (theirs,) = one.source._clients
        with theirs.dup() as same:  # which stays open when theirs is closed
            client.send(lines(range(1)))
            turn(turns_count)
            await asyncio.gather(running, return_exceptions=True)
            try:
                unread = same.recv(1000)
            except BlockingIOError:
                unread = b""
    rest = one.source.rest().get("garden", [])
    await one.source.close()
    assert len(one.taker.values) + len(rest) == (0 if unread else 1)


async def test_a_line_that_is_too_long_costs_only_itself(listening: Listening) -> None:
    """Lines of the limit count, longer ones and endless ones are skipped and counted, and the next is read."""
    padding = LINE_SIZE_MAX - len(b'{"t": 1, "x": ""}')
    at_the_limit = b'{"t": 1, "x": "%s"}' % (b"x" * padding)
    beyond = b'{"t": 2, "x": "%s"}' % (b"x" * (padding + 1))
    await listening.send(at_the_limit + b"\n" + beyond + b"\n" + b"y" * 2_000_000 + b'\n{"t": 3}\n' + at_the_limit)
    await until(lambda: len(listening.taker.values) == 3)
    assert listening.taker.values == [1, 3, 1]
    assert listening.source.counts["garden"] == {"lines": 5, "taken": 3, "too_long": 2}
    assert len(listening.said("jsonlines.too_long")) == 1


async def test_bad_lines_are_counted_and_logged_at_a_bounded_rate() -> None:
    """A line a minute is logged of each kind, with the number of those that were held back before."""
    clock = FakeClock()
    log, said = recording_log()
    source = JsonLinesListener({"garden": reader()}, clock, log, listen=("127.0.0.1", 0))
    bad = [b"nonsense", b"[1]", b"x" * (LINE_SIZE_MAX + 1), b'{"t": "\\ud800"}', b'{"t": "warm"}', b"\xff\0"]
    content = b"\n".join(bad * 3)
    for _ in range(2):
        await feed(source, Taker(), [content])
        await clock.advance(60)
    assert source.counts["garden"] == {"lines": 36, "not_json": 18, "wrong_type": 12, "too_long": 6}
    kinds = [(line["event"], line.get("held_back_count")) for line in said]
    assert sorted(kinds, key=str) == [
        ("jsonlines.not_json", 8),
        ("jsonlines.not_json", None),
        ("jsonlines.too_long", 2),
        ("jsonlines.too_long", None),
        ("jsonlines.wrong_type", 5),
        ("jsonlines.wrong_type", None),
    ]
    assert all(line["sensor"] == "garden" and "garden" in str(line["message"]) for line in said)


async def test_what_is_wrong_with_a_part_of_a_line_is_logged_too() -> None:
    """A field of the wrong type that does not cost the line is told at the same rate."""
    log, said = recording_log()
    fields = {"air_temperature": Field("t"), "relative_humidity": Field("h")}
    lines = LineReader(fields, match={}, observed_at=None, time_zone=dt.UTC, labels=(), repeat_window_s=0.0)
    taker = Taker()
    await feed(
        JsonLinesListener({"garden": lines}, FakeClock(), log, listen=("::1", 0)), taker, [b'{"t":1,"h":"?"}\n' * 3]
    )
    assert taker.values == [1, 1, 1]
    assert [line["message"] for line in said] == [
        "sensor garden: a line was used only in part: field 'h' holds '?', and no number"
    ]


async def test_others_have_their_turn_while_much_is_read() -> None:
    """However many lines come at once, the loop is given back after each hundred or so."""
    source = make_listener(("127.0.0.1", 0)).source
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with cancelled_at_the_end(asyncio.create_task(other())):
        await feed(source, Taker(), [b"x\n" * 16_000])
    assert source.counts["garden"]["lines"] == 16_000
    assert turns >= 100


async def feed(source: JsonLinesListener, taker: Taker, pieces: Sequence[bytes]) -> None:
    """Give a source a real stream that brings these pieces one by one."""
    stream = asyncio.StreamReader()

    async def write() -> None:
        for piece in pieces:
            stream.feed_data(piece)
            await asyncio.sleep(0)
        stream.feed_eof()

    async with asyncio.TaskGroup() as group:
        group.create_task(write())
        group.create_task(source._read(stream.read, taker))


@given(st.lists(st.integers(0, 2000), max_size=20))
@settings(max_examples=60)
def test_a_stream_may_come_in_any_pieces(cuts: list[int]) -> None:
    """However a stream is cut on its way, the same arrivals and counts come out of it."""
    stream = b'\xef\xbb\xbf{"t": 1}\r\n\n[]\n{"t": "\xc3\xa9"}\n{"t": 2, "client": "\xc3\xa9\\n"}\n' * 20 + b'{"t": 3}'
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    results = []
    for pieces in ([stream], [stream[start:end] for start, end in itertools.pairwise(edges) if start < end]):

        async def run(pieces: Sequence[bytes] = pieces) -> None:
            source = make_listener(("127.0.0.1", 0)).source
            taker = Taker()
            await feed(source, taker, pieces)
            results.append((taker.arrivals, source.counts["garden"]))

        asyncio.run(run())
    assert results[0] == results[1]
    assert len(results[0][0]) == 41


# A place to listen at --------------------------------------------------------------------------------------------


async def test_a_port_that_is_taken_is_unavailable() -> None:
    """A port of somebody else is told with the sensor, the place and a hint."""
    one = make_listener(("127.0.0.1", 0)).source
    await one.open()
    assert isinstance(one.address, tuple)
    other = make_listener(one.address).source
    with pytest.raises(UnavailableError, match=r"garden cannot listen on 127\.0\.0\.1:\d+: Address already in use"):
        await other.open()
    await other.close()
    await one.close()
    await other.open()
    await other.close()


async def test_a_path_that_cannot_be_taken_is_unavailable(tmp_path: Path) -> None:
    """A missing folder, a path that is too long, a file and a folder are told, and stay as they are."""
    file = tmp_path / "file"
    file.write_text("precious")
    for path in (tmp_path / "missing" / "in.sock", tmp_path / ("x" * 120), file, tmp_path):
        source = make_listener(path).source
        with pytest.raises(UnavailableError, match="garden cannot listen on") as raised:
            await source.open()
        assert "None" not in raised.value.sentence
        await source.close()
    assert file.read_text() == "precious"


async def test_a_socket_that_was_left_behind_is_replaced(tmp_path: Path) -> None:
    """The path of a process that was killed does not stop the next one, and is removed at its close."""
    path = tmp_path / "in.sock"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
        killed.listen()
    source = make_listener(path).source
    await source.open()
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    await source.close()
    assert not path.exists()
    await source.close()


@pytest.fixture(params=["stream", "full", "datagram"])
def in_use(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Return the path of a socket that somebody uses: idle, with a full backlog, or of another kind."""
    path = tmp_path / "in.sock"
    kind = socket.SOCK_DGRAM if request.param == "datagram" else socket.SOCK_STREAM
    with socket.socket(socket.AF_UNIX, kind) as owner, contextlib.ExitStack() as stack:
        owner.bind(str(path))
        if request.param != "datagram":
            owner.listen(0)
        if request.param == "full":
            for _ in range(3):
                client = stack.enter_context(socket.socket(socket.AF_UNIX))
                client.setblocking(False)
                client.connect_ex(str(path))
        yield path


async def test_a_socket_in_use_is_not_stolen(in_use: Path) -> None:
    """A socket that somebody listens at is left alone, and asking does not make us wait."""
    before = jsonlines._file(in_use)
    source = make_listener(in_use).source
    with pytest.raises(UnavailableError, match="Address already in use"):
        await asyncio.wait_for(source.open(), 2)
    await source.close()
    assert jsonlines._file(in_use) == before is not None


async def test_a_path_that_is_somebody_else_s_by_now_stays(tmp_path: Path) -> None:
    """If somebody has replaced our socket by his own, closing ours does not remove his."""
    path = tmp_path / "in.sock"
    ours = make_listener(path).source
    await ours.open()
    path.unlink()
    theirs = make_listener(path).source
    await theirs.open()
    await ours.close()
    assert path.exists()
    await theirs.close()
    assert not path.exists()


async def test_a_listener_that_was_never_opened_can_be_closed(tmp_path: Path) -> None:
    """Closing gives back what there is, and removes nothing of others."""
    path = tmp_path / "in.sock"
    path.write_text("precious")
    await make_listener(path).source.close()
    assert path.exists()


def test_a_signal_has_a_name_for_people() -> None:
    """The end of a program is told with the name of the signal, or its number where it has none."""
    assert jsonlines._ending("rtl_433", -signal.SIGSEGV) == "rtl_433 was ended by SIGSEGV"
    assert jsonlines._ending("rtl_433", -40) == "rtl_433 was ended by signal 40"
    assert jsonlines._ending("rtl_433", 0) == "rtl_433 ended with exit code 0"


async def test_one_stream_is_read_by_every_sensor_on_it() -> None:
    """Each sensor gets what matches it; a line that nobody can read is told once, and counted for each."""
    log, said = recording_log()
    readers = {
        name: LineReader(
            {"air_temperature": Field("t")},
            match={"id": number},
            observed_at=None,
            time_zone=dt.UTC,
            labels=(),
            repeat_window_s=0.0,
        )
        for number, name in enumerate(("garden", "roof"))
    }
    source = JsonLinesCommand(
        readers,
        FakeClock(),
        log,
        command=["printf", '{"id": 1, "t": 5}\n{"id": 0, "t": 4}\nrubbish\n{"id": 2, "t": 0}\n'],
    )
    heard: dict[str, list[float]] = {"garden": [], "roof": []}

    async def deliver(arrivals: Mapping[str, Sequence[Arrival]]) -> None:
        for sensor, its_arrivals in arrivals.items():
            heard[sensor] += [arrival.measurement["air_temperature"] for arrival in its_arrivals]

    with pytest.raises(SourceEnded):
        await source.run(deliver)
    assert heard == {"garden": [4.0], "roof": [5.0]}
    assert source.counts["roof"] == {"lines": 4, "taken": 1, "not_matched": 2, "not_json": 1}
    assert [line["event"] for line in said] == ["jsonlines.not_json"]


async def test_each_line_is_taken_from_the_kernel_once() -> None:
    """Nobody asks a second time for what was not there yet, and the file stays registered from line to line."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    sizes: list[int] = []

    def take(size: int) -> bytes:
        sizes.append(size)
        return ours.recv(size)

    readiness = _Readiness(ours.fileno())
    with ours, theirs:
        for number in range(4):
            reading = asyncio.create_task(readiness.read(take, 100))
            await settle()
            theirs.sendall(b"%d\n" % number)
            assert await asyncio.wait_for(reading, 5.0) == b"%d\n" % number
        assert len(sizes) == 1 + 4, "but for the very first, that found nothing"
        assert readiness._is_registered
        readiness.close()


async def test_a_file_that_nobody_reads_from_is_let_go() -> None:
    """Else the loop would turn for nothing as long as the writer is made to wait; it is there for the next reader."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    readiness = _Readiness(ours.fileno())
    with ours, theirs:
        reading = asyncio.create_task(readiness.read(ours.recv, 100))
        await settle()
        theirs.sendall(b"first\n")
        assert await asyncio.wait_for(reading, 5.0) == b"first\n"
        theirs.sendall(b"second\n")
        for _ in range(3):
            await asyncio.sleep(0)
        assert not readiness._is_registered
        assert await asyncio.wait_for(readiness.read(ours.recv, 100), 5.0) == b"second\n"
        theirs.close()
        assert await asyncio.wait_for(readiness.read(ours.recv, 100), 5.0) == b""
        readiness.close()
