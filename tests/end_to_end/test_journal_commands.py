import asyncio
import csv
import io
import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.end_to_end.stations import (
    DAY_SENSOR,
    RunningStation,
    day_lines,
    day_records,
    documents,
    environment,
    eventually,
    station,
    until_documents,
    weatherd,
    write_lines,
)
from weatherd.cli import main
from weatherd.clock import SystemClock
from weatherd.journal import SqliteJournal, memory_file
from weatherd.model import Event, Station
from weatherd.processing.documents import DocumentEncoder
from weatherd.testing.logstash import Accept, Answer, LogstashStandIn

NOBODY = 65_534

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")


async def until_delivered(running: RunningStation) -> None:
    async def delivered() -> bool:
        return bool((await running.ask())["sinks"][0]["lag"] == 0)

    await eventually(delivered)


async def until_quarantined(running: RunningStation, count: int) -> None:
    async def quarantined() -> bool:
        return bool((await running.ask())["journal"]["quarantined_count"] >= count)

    await eventually(quarantined)


def sent(logstash: LogstashStandIn) -> str:
    """Return all that arrived as the lines that an export should have: in the order of the seqs."""
    return "".join(f"{document.decode()}\n" for _, document in sorted(_by_seq(logstash).items()))


def _by_seq(logstash: LogstashStandIn) -> Mapping[int, bytes]:
    return {json.loads(document)["event"]["sequence"]: document for document in logstash._documents.values()}


def configure(folder: Path) -> Path:
    path = folder / "weatherd.toml"
    path.write_text(
        '[station]\nid = "test"\n[journal]\npath = "journal.db"\n[sinks.logstash]\nurls = ["http://127.0.0.1:1"]\n'
        '[[sensors]]\nname = "barometer"\ndriver = "bmp280"\n'
    )
    return path


def make(folder: Path, memory: Path | None = None) -> SqliteJournal:
    return SqliteJournal(
        folder / "journal.db",
        encode=DocumentEncoder(Station("test"), "00000000").encode,
        clock=SystemClock(),
        sinks=("logstash",),
        station_id="test",
        size_max=256_000_000,
        retention_s=86_400.0,
        memory=memory,
    )


async def fill(journal: SqliteJournal, count: int, size: int = 10) -> None:
    await journal.open()
    for start in range(0, count, 500):
        now_ms = SystemClock().now_ms()
        await journal.append([Event("tested", "x" * size, now_ms, clock_synchronized=True)] * min(500, count - start))
    await journal.close()


def make_journal(folder: Path, count: int, size: int = 10) -> Path:
    """Make a journal of so many events, and a configuration that names it; return the latter."""
    asyncio.run(fill(make(folder), count, size))
    return configure(folder)


def command(*arguments: str | Path) -> list[str | Path]:
    return [sys.executable, "-m", "weatherd", "journal", *arguments]


def run(*arguments: str | Path, folder: Path) -> tuple[int, str, str]:
    """Run `weatherd journal` to its end; return exit code, output and errors."""
    done = subprocess.run(
        command(*arguments), capture_output=True, env=environment(folder), check=False, text=True, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


def owners(folder: Path) -> Mapping[str, tuple[int, int]]:
    return {path.name: (path.stat().st_uid, path.stat().st_gid) for path in folder.glob("journal*")}


def give_to_nobody(folder: Path) -> None:
    for path in folder.glob("journal*"):
        os.chown(path, NOBODY, NOBODY)


@pytest.fixture
def memory_folder() -> Iterator[Path]:
    """Return a folder in memory, as the runtime folder of the unit is."""
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("there is no /dev/shm")
    folder = Path(tempfile.mkdtemp(dir="/dev/shm", prefix="weatherd-test-"))
    yield folder
    shutil.rmtree(folder)


async def test_an_export_is_what_was_sent_byte_for_byte(tmp_path: Path) -> None:
    """Of a daemon, and of its file afterwards: each document once, in order, with the bytes that Logstash got."""
    async with LogstashStandIn() as logstash:
        async with station(tmp_path, logstash.url, DAY_SENSOR, journal="history_period_s = 1.0") as running:
            await running.wait_for("READY=1")
            await write_lines(tmp_path, day_lines())
            await until_documents(logstash, 1440, "weatherd.observation")
            await until_delivered(running)
            assert await weatherd("journal", "export", folder=tmp_path) == (0, sent(logstash), "")
            assert await running.stop() == 0
        config = tmp_path / "weatherd.toml"
        assert await weatherd("journal", "export", "--config", config, folder=tmp_path) == (0, sent(logstash), "")
        # Nothing that was kept or delivered is lost or repeated by a look at the file.
        async with station(tmp_path, logstash.url, DAY_SENSOR) as running:
            await running.wait_for("READY=1")
            await until_delivered(running)
            assert await weatherd("journal", "export", folder=tmp_path) == (0, sent(logstash), "")
            assert await running.stop() == 0
    assert logstash.duplicates_count == logstash.conflicts_count == 0


async def test_what_is_young_and_not_sent_yet_is_exported(tmp_path: Path) -> None:
    """Nobody has to wait for the card or for Logstash to see the newest observations."""
    async with LogstashStandIn() as logstash:
        logstash.behave(Answer(503))
        async with station(tmp_path, logstash.url, DAY_SENSOR, journal="commit_period_s = 60.0") as running:
            await running.wait_for("READY=1")
            await write_lines(tmp_path, day_lines()[:20])

            async def exported() -> bool:
                _, out, _ = await weatherd("journal", "export", folder=tmp_path)
                return out.count("weatherd.observation") == 20

            await eventually(exported)


async def test_the_young_of_a_killed_daemon_are_exported(memory_folder: Path) -> None:
    """What was in memory alone is found there by the command, and is sent after the next start."""
    async with LogstashStandIn() as logstash:
        logstash.behave(Answer(503))
        config = memory_folder / "weatherd.toml"
        async with station(memory_folder, logstash.url, DAY_SENSOR, journal="commit_period_s = 60.0") as running:
            await running.wait_for("READY=1")
            await write_lines(memory_folder, day_lines()[:20])

            async def kept() -> bool:
                _, out, _ = await weatherd("journal", "export", folder=memory_folder)
                return out.count("weatherd.observation") == 20

            await eventually(kept)
            await running.kill()
        code, out, err = await weatherd("journal", "export", "--config", config, folder=memory_folder)
        assert (code, err) == (0, "")
        assert out.count("weatherd.observation") == 20
        logstash.behave(Accept())
        async with station(memory_folder, logstash.url, DAY_SENSOR) as running:
            await running.wait_for("READY=1")
            await until_documents(logstash, 20, "weatherd.observation")
            assert await running.stop() == 0
        assert logstash.conflicts_count == 0
        assert sent(logstash).startswith(out)


async def test_a_table_reads_back_as_the_documents(tmp_path: Path) -> None:
    """A spreadsheet shows each document with its values as they were sent."""
    async with LogstashStandIn() as logstash, station(tmp_path, logstash.url, DAY_SENSOR) as running:
        await running.wait_for("READY=1")
        await write_lines(tmp_path, day_lines()[:50])
        await until_documents(logstash, 50, "weatherd.observation")
        await until_delivered(running)
        code, out, err = await weatherd("journal", "export", "--format", "csv", folder=tmp_path)
        assert (code, err) == (0, "")
        assert await running.stop() == 0
    rows = list(csv.DictReader(io.StringIO(out, newline="")))
    assert len(rows) == 51
    assert [row["message"] for row in rows if row["action"] == "station_started"] != [""]
    observed = [row for row in rows if row["dataset"] == "weatherd.observation"]
    for row, document in zip(observed, documents(logstash), strict=True):
        assert row["time"] == document["@timestamp"]
        assert row["id"] == document["event"]["id"]
        assert int(row["sequence"]) == document["event"]["sequence"]
        assert (row["sensor"], row["model"]) == ("alamosa", "jsonlines")
        assert {name: float(row[name]) for name in document["weather"]} == document["weather"]
        assert {name: row[f"{name}_quality"] for name in document["quality"]} == document["quality"]
        assert row["clock_synchronized"] == json.dumps(document["clock"]["synchronized"])


async def test_an_export_has_the_documents_of_its_period(tmp_path: Path) -> None:
    """From the first time on, before the second one; a time without Z or an offset is UTC."""
    async with LogstashStandIn() as logstash, station(tmp_path, logstash.url, DAY_SENSOR) as running:
        await running.wait_for("READY=1")
        await write_lines(tmp_path, day_lines())
        await until_documents(logstash, 1440, "weatherd.observation")
        for arguments, first, end in (
            (["--from", "2016-01-01T10:00Z", "--to", "2016-01-01T10:02Z"], 600, 602),
            (["--from", "2016-01-01T10:00:00.001", "--to", "2016-01-01T10:02:00.001"], 601, 603),
            (["--from", "2016-01-01T07:00-03:00", "--to", "2016-01-01 11:03+01:00"], 600, 603),
            (["--from", "2016-01-01T23:58", "--to", "2016-01-02"], 1438, 1440),
            (["--to", "2016-01-01T00:03:00Z"], 0, 3),
            (["--from", "2016-01-02", "--to", "2016-01-03"], 0, 0),
        ):
            code, out, err = await weatherd("journal", "export", *arguments, folder=tmp_path)
            assert (code, err) == (0, "")
            times = [json.loads(line)["@timestamp"] for line in out.splitlines()]
            assert times == [record["time"].replace("Z", ".000Z") for record in day_records()[first:end]], arguments
        _, out, _ = await weatherd("journal", "export", "--from", "2016-01-02", folder=tmp_path)
        actions = [json.loads(line)["event"]["action"] for line in out.splitlines()]
        assert actions == ["station_started", "sensor_stuck", "sensor_unstuck"], "the pressure, for an hour"
        assert await running.stop() == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["export", "--from", "yesterday"], ["yesterday", "2026-11-23T15:14:10Z"]),
        (["export", "--to", "2026-13-01"], ["2026-13-01", "UTC"]),
        (["export", "--from", "2026-11-23", "--to", "2026-11-23"], ["not before"]),
        (["export", "--format", "xml"], ["ndjson", "csv"]),
        (["requeue", "--seq", "one"], ["one", "whole number"]),
        (["requeue", "--seq", "9" * 30], ["whole number"]),
        ([], ["COMMAND"]),
    ],
    ids=str,
)
async def test_a_mistake_in_the_command_is_told(tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    """What is allowed is named, and the exit code is 64."""
    code, out, errors = await weatherd("journal", *arguments, folder=tmp_path)
    assert (code, out) == (64, "")
    assert "\nerror: cli.usage: " in errors
    assert "\nhint:  " in errors
    for word in words:
        assert word in errors


def test_an_empty_journal_is_exported_as_nothing(tmp_path: Path) -> None:
    """No document is no failure; a table has its header."""
    config = make_journal(tmp_path, 0)
    assert run("export", "--config", config, folder=tmp_path) == (0, "", "")
    code, out, err = run("export", "--format", "csv", "--config", config, folder=tmp_path)
    assert (code, out.count("\n"), err) == (0, 1, "")
    assert run("quarantine", "--json", "--config", config, folder=tmp_path) == (0, "", "")
    code, out, err = run("quarantine", "--config", config, folder=tmp_path)
    assert (code, out, err) == (0, "nothing is in quarantine\n", "")
    code, out, err = run("requeue", "--config", config, folder=tmp_path)
    assert (code, out, err) == (0, "nothing is in quarantine to try again\n", "")


async def test_what_was_refused_is_shown_and_tried_again(tmp_path: Path) -> None:
    """Through a running daemon: each document with its reason, then each delivered once, with the bytes of before."""
    async with LogstashStandIn() as logstash, station(tmp_path, logstash.url, DAY_SENSOR) as running:
        await running.wait_for("READY=1")
        await until_delivered(running)
        logstash.behave(Answer(400))
        await write_lines(tmp_path, day_lines()[:5])
        await until_quarantined(running, 6)  # five, and the event that tells so
        code, out, err = await weatherd("journal", "quarantine", "--json", folder=tmp_path)
        assert (code, err) == (0, "")
        refused = [json.loads(line) for line in out.splitlines()]
        assert len(refused) == 6
        for one in refused:
            assert one["sink"] == "logstash"
            assert one["document"]["event"]["sequence"] == one["seq"]
            assert "400" in one["reason"]
            assert one["quarantined_at"].endswith("Z")
        code, out, err = await weatherd("journal", "quarantine", folder=tmp_path)
        assert (code, err) == (0, "")
        assert [line.split()[0] for line in out.splitlines()[1:7]] == [str(one["seq"]) for one in refused]
        assert "requeue" in out.splitlines()[-1]
        logstash.behave(Accept())
        code, out, err = await weatherd("journal", "requeue", folder=tmp_path)
        assert (code, out, err) == (0, "6 documents will be tried again\n", "")
        await until_documents(logstash, 5, "weatherd.observation")
        await until_delivered(running)
        assert (await running.ask())["journal"]["quarantined_count"] == 0
        assert await weatherd("journal", "export", folder=tmp_path) == (0, sent(logstash), "")
        assert await running.stop() == 0
    arrived = {document["event"]["id"]: document for document in logstash.documents.values()}
    for one in refused:
        assert arrived[one["document"]["event"]["id"]] == one["document"]
    assert logstash.duplicates_count == logstash.conflicts_count == 0


async def test_those_that_are_named_are_tried_again(tmp_path: Path) -> None:
    """One seq, or one sink; what is not in quarantine is told, with 1, and those that are there are tried."""
    async with LogstashStandIn() as logstash, station(tmp_path, logstash.url, DAY_SENSOR) as running:
        await running.wait_for("READY=1")
        await until_delivered(running)
        logstash.behave(Answer(400))
        await write_lines(tmp_path, day_lines()[:5])
        await until_quarantined(running, 6)
        _, out, _ = await weatherd("journal", "quarantine", "--json", folder=tmp_path)
        seqs = [json.loads(line)["seq"] for line in out.splitlines()]
        logstash.behave(Accept())
        code, out, err = await weatherd("journal", "requeue", "--sink", "mqtt", folder=tmp_path)
        assert (code, out, err) == (0, "nothing is in quarantine for the sink mqtt to try again\n", "")
        named = ["--sink", "logstash", "--seq", str(seqs[1]), str(seqs[3]), "999999"]
        code, out, err = await weatherd("journal", "requeue", *named, folder=tmp_path)
        assert (code, out) == (1, "2 documents will be tried again\n")
        assert err.startswith("error: journal.failed: not in quarantine for the sink logstash: 999999\nhint:  ")
        await until_documents(logstash, 2, "weatherd.observation")
        assert (await running.ask())["journal"]["quarantined_count"] == 4
        assert {document["event"]["sequence"] for document in documents(logstash)} == {seqs[1], seqs[3]}
        assert await running.stop() == 0


async def test_what_was_refused_is_tried_again_after_a_start(tmp_path: Path) -> None:
    """Without a daemon the file itself is changed, and the next daemon delivers each document once."""
    config = tmp_path / "weatherd.toml"
    async with LogstashStandIn() as logstash:
        async with station(tmp_path, logstash.url, DAY_SENSOR) as running:
            await running.wait_for("READY=1")
            await until_delivered(running)
            logstash.behave(Answer(400))
            await write_lines(tmp_path, day_lines()[:5])
            await until_quarantined(running, 6)
            assert await running.stop() == 0
        code, out, _ = await weatherd("journal", "quarantine", "--json", "--config", config, folder=tmp_path)
        assert (code, len(out.splitlines())) == (0, 6)
        code, out, err = await weatherd("journal", "requeue", "--config", config, folder=tmp_path)
        assert (code, out, err) == (0, "6 documents will be tried again\n", "")
        logstash.behave(Accept())
        async with station(tmp_path, logstash.url, DAY_SENSOR) as running:
            await running.wait_for("READY=1")
            await until_documents(logstash, 5, "weatherd.observation")
            await until_delivered(running)
            assert (await running.ask())["journal"]["quarantined_count"] == 0
            assert await running.stop() == 0
    assert logstash.duplicates_count == logstash.conflicts_count == 0


def test_a_journal_that_is_not_there_is_told_and_not_made(tmp_path: Path) -> None:
    """A wrong path is an error with a hint and 74, and leaves nothing behind."""
    config = configure(tmp_path)
    for name in ("export", "quarantine", "requeue"):
        code, out, err = run(name, "--config", config, folder=tmp_path)
        assert (code, out) == (74, "")
        assert err.startswith(f"error: journal.unavailable: there is no journal {tmp_path}/journal.db\nhint:  ")
        assert [path.name for path in tmp_path.iterdir()] == ["weatherd.toml"]


async def test_a_file_in_use_is_left_alone(tmp_path: Path) -> None:
    """A daemon whose socket is elsewhere is found by its lock: 74, with a hint, and it goes on."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    async with LogstashStandIn() as logstash, station(tmp_path, logstash.url, DAY_SENSOR) as running:
        await running.wait_for("READY=1")
        config = tmp_path / "weatherd.toml"
        code, out, err = await weatherd("journal", "export", "--config", config, folder=elsewhere)
        assert (code, out) == (74, "")
        assert err.startswith("error: journal.unavailable: ")
        assert "in use by another process" in err
        assert "\nhint:  " in err
        await write_lines(tmp_path, day_lines()[:5])
        await until_documents(logstash, 5, "weatherd.observation")
        assert await running.stop() == 0
        assert (tmp_path / "errors").read_text() == ""


def test_a_daemon_that_does_not_answer_keeps_its_file(tmp_path: Path) -> None:
    """Somebody listens and says nothing: 69, and the file is not opened behind his back."""
    config = make_journal(tmp_path, 10)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as caller:
        busy.bind(os.fspath(tmp_path / "control.sock"))
        busy.listen(0)
        caller.connect(os.fspath(tmp_path / "control.sock"))
        code, out, err = run("export", "--config", config, folder=tmp_path)
    assert (code, out) == (69, "")
    assert err.startswith("error: daemon.unavailable: ")
    (tmp_path / "control.sock").unlink()
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


async def test_the_journal_of_another_station_is_not_confused_with_the_daemons(tmp_path: Path) -> None:
    """A configuration that is named counts, whatever daemon runs."""
    other = tmp_path / "other"
    other.mkdir()
    await fill(make(other), 3)
    config = configure(other)
    async with LogstashStandIn() as logstash, station(tmp_path, logstash.url, DAY_SENSOR) as running:
        await running.wait_for("READY=1")
        _, theirs, _ = await weatherd("journal", "export", "--config", config, folder=tmp_path)
        _, ours, _ = await weatherd("journal", "export", "--config", tmp_path / "weatherd.toml", folder=tmp_path)
        assert await running.stop() == 0
    assert [json.loads(line)["event"]["action"] for line in theirs.splitlines()] == ["tested"] * 3
    assert json.loads(ours.splitlines()[0])["event"]["action"] == "station_started"


@as_root
def test_whose_the_journal_is_it_stays(tmp_path: Path, memory_folder: Path) -> None:
    """Root may look into another user's journal, and every file of it, young ones too, is still that user's."""
    memory = memory_file(memory_folder, tmp_path / "journal.db")
    assert memory is not None
    asyncio.run(fill(make(tmp_path, memory), 10))
    for tail in ("journal.db-tail", "journal.db-tail2"):
        (tmp_path / tail).unlink()
    memory.with_name(f"{memory.name}2").unlink()
    give_to_nobody(tmp_path)
    give_to_nobody(memory_folder)
    config = configure(tmp_path)
    for name in ("export", "quarantine", "requeue"):
        code, _, err = run(name, "--config", config, folder=memory_folder)
        assert (code, err) == (0, "")
        assert owners(tmp_path).keys() >= {"journal.db", "journal.db-tail", "journal.db-tail2"}
        assert owners(memory_folder).keys() == {memory.name, f"{memory.name}2"}
        assert {*owners(tmp_path).values(), *owners(memory_folder).values()} == {(NOBODY, NOBODY)}


@as_root
def test_whose_the_journal_is_it_stays_after_a_failure(tmp_path: Path) -> None:
    """Also when the output is full in the middle, the command is ended, or the journal turns out to be damaged."""
    config = make_journal(tmp_path, 20_000, size=200)
    (tmp_path / "journal.db-tail").unlink()
    give_to_nobody(tmp_path)
    export = command("export", "--config", config)
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            export, stdout=full, stderr=subprocess.PIPE, env=environment(tmp_path), check=False, text=True
        )
    assert done.returncode == 74
    assert done.stderr.startswith("error: cli.output: the standard output cannot be written: ")
    assert set(owners(tmp_path).values()) == {(NOBODY, NOBODY)}

    process = subprocess.Popen(export, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(tmp_path))
    assert process.stdout is not None
    process.stdout.read(1)  # it is in the middle, and waits for its reader
    assert set(owners(tmp_path).values()) == {(NOBODY, NOBODY)}
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, b"")
    assert set(owners(tmp_path).values()) == {(NOBODY, NOBODY)}
    assert not (tmp_path / "journal.db-wal").exists(), "and it was closed in good order"

    journal = tmp_path / "journal.db"
    journal.write_bytes(journal.read_bytes()[:4096] + bytes(4096) + journal.read_bytes()[8192:])
    code, _, err = run("quarantine", "--config", config, folder=tmp_path)
    assert code == 0
    assert err.startswith("warning: journal.damaged: ")
    assert any("damaged" in name for name in owners(tmp_path))
    assert set(owners(tmp_path).values()) == {(NOBODY, NOBODY)}


@as_root
def test_a_file_that_is_none_of_the_journals_keeps_its_owner(tmp_path: Path) -> None:
    """Neither what is only named alike, nor what a link leads to, is given away."""
    config = make_journal(tmp_path, 1)
    (tmp_path / "journal.db-tail").rename(tmp_path / "journal.db-tail2")
    give_to_nobody(tmp_path)
    (tmp_path / "journal.db.backup").write_text("")
    (tmp_path / "secret").write_text("")
    (tmp_path / "journal.db.damaged-1").symlink_to(tmp_path / "secret")
    (tmp_path / "journal.db.damaged-2").hardlink_to(tmp_path / "secret")
    code, _, _ = run("export", "--config", config, folder=tmp_path)
    assert code == 0
    assert owners(tmp_path)["journal.db.backup"] == (0, 0)
    assert (tmp_path / "secret").stat().st_uid == 0


def test_a_journal_of_somebody_else_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who could not give back what is made beside a journal is told to use sudo, and nothing is made."""
    config = make_journal(tmp_path, 1)
    for tail in ("journal.db-tail", "journal.db-tail2"):
        (tmp_path / tail).unlink()
    before = owners(tmp_path)
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert main(["journal", "export", "--config", str(config)]) == 74
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"error: journal.unavailable: the journal {tmp_path}/journal.db belongs to ")
    assert told.err.endswith("\nhint:  use sudo\n")
    assert owners(tmp_path) == before


def under_a_terminal(*arguments: str | Path, folder: Path) -> tuple[int, str]:
    """Run a command whose errors go to a terminal; return exit code and what the terminal was sent."""
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        command(*arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=end,
        env=environment(folder),
    )
    os.close(end)
    shown = b""
    try:
        while some := os.read(terminal, 65_536):
            shown += some
    except OSError:
        pass  # Linux says so at the end
    os.close(terminal)
    return process.wait(timeout=20), shown.decode().replace("\r\n", "\n")


def test_progress_is_shown_at_a_terminal(tmp_path: Path) -> None:
    """Share, count and time left while it goes on, then how many documents were written, and a line of its own."""
    config = make_journal(tmp_path, 20_000, size=500)
    code, shown = under_a_terminal("export", "--config", config, folder=tmp_path)
    assert code == 0
    assert "\r  0 %  [---" in shown
    assert shown.endswith("\r\x1b[K20,000 documents written\n")
    output = tmp_path / "all.ndjson"
    code, shown = under_a_terminal("export", "--config", config, "--output", output, folder=tmp_path)
    assert code == 0
    assert shown.endswith(f"\r\x1b[K20,000 documents written to {output}\n")
    code, shown = under_a_terminal("export", "--config", config, "--output", output, folder=tmp_path)
    assert code == 74
    assert shown.startswith("error: cli.output: ")
    assert shown.endswith("\n")


def test_a_file_is_written_as_a_whole_and_never_over_another(tmp_path: Path) -> None:
    """It has its name when it is complete; one that is there already is left as it is, with 74 and a hint."""
    config = make_journal(tmp_path, 1000)
    _, expected, _ = run("export", "--config", config, folder=tmp_path)
    output = tmp_path / "all.ndjson"
    before = {path.name for path in tmp_path.iterdir()}
    named = ["--config", config, "--output", output]
    assert run("export", *named, folder=tmp_path) == (0, "", "")
    assert output.read_text() == expected
    output.write_text("mine")
    code, out, err = run("export", *named, folder=tmp_path)
    assert (code, out) == (74, "")
    assert err == f"error: cli.output: {output} is there already\nhint:  name a new file, or remove that one first\n"
    assert output.read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == before | {"all.ndjson"}
    named = ["--config", config, "--output", tmp_path / "no folder" / "all.ndjson"]
    code, _, err = run("export", *named, folder=tmp_path)
    assert code == 74
    assert err.startswith("error: cli.output: ")


def test_a_file_that_cannot_be_completed_is_not_left(tmp_path: Path) -> None:
    """Ended in the middle, an export leaves no half of a file behind."""
    config = make_journal(tmp_path, 20_000, size=500)
    before = {path.name for path in tmp_path.iterdir()}
    process = subprocess.Popen(
        command("export", "--config", config, "--output", tmp_path / "all"), env=environment(tmp_path)
    )

    def begun() -> bool:
        return any(path.name.endswith(".part") for path in tmp_path.iterdir())

    asyncio.run(eventually(begun))
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 130
    assert {path.name for path in tmp_path.iterdir()} == before


def head(config: Path) -> tuple[bytes, bytes]:
    """Read the first line of an export, and go away; return it with the errors."""
    process = subprocess.Popen(
        command("export", "--config", config),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(config.parent),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    line = process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    process.wait(timeout=20)
    return line, errors


async def test_a_reader_that_has_seen_enough_ends_the_export_quietly(tmp_path: Path) -> None:
    """`weatherd journal export | head -1` shows a document and no error, from a file and from a daemon."""
    await fill(make(tmp_path), 20_000, size=200)
    config = configure(tmp_path)
    line, errors = await asyncio.to_thread(head, config)
    assert (json.loads(line)["event"]["sequence"], errors) == (1, b"")
    async with LogstashStandIn() as logstash, station(tmp_path, logstash.url, DAY_SENSOR) as running:
        await running.wait_for("READY=1")
        line, errors = await asyncio.to_thread(head, config)
        assert (json.loads(line)["event"]["sequence"], errors) == (1, b"")
        assert await running.stop() == 0
        assert (tmp_path / "errors").read_text() == ""
