"""
The command line: `weatherd run`, `demo`, `check`, `doctor`, `scan`, `status`, `tail`, `ir` and `journal`.

Exit codes follow sysexits. An error is two lines on standard error, what happened and what to do; a traceback would be
a mistake of ours.
"""

import argparse
import datetime as dt
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from weatherd import __version__
from weatherd.errors import WeatherdError

DEFAULT_CONFIG = Path("/etc/weatherd/weatherd.toml")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    code = _run_command(options)
    if threading.active_count() > 1:
        from weatherd.cli.run import leave_stuck_threads_behind

        leave_stuck_threads_behind(code)
    return code


def _run_command(options: argparse.Namespace) -> int:
    try:
        code: int = options.command(options)
    except WeatherdError as error:
        print(error.report(), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # Whoever read our output has gone; the interpreter must not trip over it again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return os.EX_IOERR
    return code


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Tell a mistake in the command line the way all mistakes are told; 64 is what sysexits has for it."""
        self.print_usage(sys.stderr)
        hint = f"see `{self.prog} --help`"
        if message.startswith("unrecognized arguments: --config"):
            hint = "this command reads no configuration; see `weatherd --help`"
        elif message.startswith("unrecognized") and ".toml" in message:
            hint = "a configuration is named with --config FILE"
        self.exit(os.EX_USAGE, f"error: cli.usage: {message}\nhint:  {hint}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="weatherd", description="A weather station daemon that never loses an observation.")
    parser.add_argument("--version", action="version", version=f"weatherd {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = _add_command(
        commands, "run", "run the daemon", "Runs until Ctrl-C or SIGTERM; SIGHUP lets it read FILE again."
    )
    _add_config(run)
    run.add_argument(
        "--log-format",
        choices=("json", "console"),
        default="console" if sys.stdout.isatty() else "json",
        help="JSON lines, or lines for people (the default at a terminal)",
    )
    run.set_defaults(command=_run)

    demo = _add_command(
        commands,
        "demo",
        "run a whole station on emulated chips, with its panel and a stand-in for Logstash",
        "Needs no hardware and no configuration, and leaves nothing behind.",
    )
    demo.add_argument("--port", type=_port, metavar="N", help="of the panel (8600, or a free one if somebody has that)")
    demo.add_argument("--for", type=_seconds, dest="duration_s", metavar="SECONDS", help="stop by itself after so long")
    demo.set_defaults(command=_demo)

    check = _add_command(
        commands,
        "check",
        "show every mistake in the configuration",
        "Touches no bus; exit code 0 if it is right, else 78.",
    )
    _add_config(check)
    check.add_argument("--running", action="store_true", help="let the running daemon read its own configuration again")
    check.set_defaults(command=_check)

    doctor = _add_command(
        commands,
        "doctor",
        "try everything that the station needs, and tell how to mend it",
        "Leaves nothing behind, and asks a running daemon what it holds; exit code 0 if nothing failed, else 1.",
    )
    _add_config(doctor)
    doctor.add_argument("--json", action="store_true", help="for programs")
    doctor.set_defaults(command=_doctor)

    scan = _add_command(
        commands,
        "scan",
        "show which chips answer on the I2C bus, and their configuration",
        "All of it is TOML: paste it into weatherd.toml.",
    )
    scan.add_argument("--bus", type=_bus, default=1, metavar="N", help='of /dev/i2c-N (1), or "simulated"')
    scan.set_defaults(command=_scan)

    status = _add_command(
        commands,
        "status",
        "ask the running daemon how it is",
        "Looks for it in RUNTIME_DIRECTORY; without that, in /run/weatherd and the user's own runtime folder.",
    )
    status.add_argument("--json", action="store_true", help="for programs")
    status.set_defaults(command=_status)

    tail = _add_command(
        commands,
        "tail",
        "follow what the running daemon observes",
        "Until Ctrl-C, or until the daemon stops; exit code 69 if none runs. Times are UTC.",
    )
    tail.add_argument("--sensor", metavar="NAME", help="this one alone, without events")
    tail.set_defaults(command=_tail)

    infrared = _add_command(commands, "ir", "send by infrared what the configuration has a name for")
    _add_infrared_commands(infrared.add_subparsers(required=True, metavar="COMMAND"))

    journal = _add_command(commands, "journal", "take documents out of the journal, and see what was refused")
    _add_journal_commands(journal.add_subparsers(required=True, metavar="COMMAND"))
    return parser


def _add_infrared_commands(commands: "argparse._SubParsersAction[_Parser]") -> None:
    send = _add_command(commands, "send", "let the running daemon send a command", "It is one of [infrared.commands].")
    send.add_argument("name", metavar="NAME", help="of the command")
    send.set_defaults(command=_ir_send)

    names = _add_command(commands, "list", "show the names of the commands")
    names.set_defaults(command=_ir_list)


def _add_journal_commands(commands: "argparse._SubParsersAction[_Parser]") -> None:
    export = _add_command(
        commands, "export", "write documents as NDJSON or CSV", "Those of all times, if none is given."
    )
    _add_journals_config(export)
    export.add_argument(
        "--from", type=_time, dest="from_", metavar="TIME", help="the earliest @timestamp: 2026-11-23T15:14:10Z"
    )
    export.add_argument("--to", type=_time, metavar="TIME", help="before this time; without Z or an offset it is UTC")
    export.add_argument(
        "--format", choices=("ndjson", "csv"), default="ndjson", help="as they were sent (the default), or a table"
    )
    export.add_argument("--output", type=Path, metavar="FILE", help="a new file, instead of the standard output")
    export.set_defaults(command=_export, parser=export)

    quarantine = _add_command(commands, "quarantine", "show which documents were refused, and why")
    _add_journals_config(quarantine)
    quarantine.add_argument("--json", action="store_true", help="NDJSON with everything, for programs")
    quarantine.set_defaults(command=_quarantine)

    requeue = _add_command(commands, "requeue", "try documents in quarantine again: all, if none are named")
    _add_journals_config(requeue)
    requeue.add_argument("--sink", metavar="NAME", help="those that this sink refused")
    requeue.add_argument("--seq", type=_seq, nargs="+", default=(), metavar="N", help="these alone")
    requeue.set_defaults(command=_requeue)


def _add_command(commands: "argparse._SubParsersAction[_Parser]", name: str, does: str, more: str = "") -> _Parser:
    """Add a command whose own help begins with what the list of all says of it."""
    return commands.add_parser(name, help=does, description=f"{does[0].upper()}{does[1:]}. {more}".rstrip())


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help=f"the configuration ({DEFAULT_CONFIG})"
    )


def _add_journals_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=f"whose journal; without it the running daemon's, or that of {DEFAULT_CONFIG} if none runs",
    )


def _run(options: argparse.Namespace) -> int:
    # Until the daemon heeds signals itself, which takes seconds on a slow Pi, there is nothing to keep; and without a
    # handler the kernel passes over a SIGTERM to process 1, which the daemon is in a container.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(os.EX_OK))
    from weatherd.cli.run import run

    return run(options.config, options.log_format)


def _demo(options: argparse.Namespace) -> int:
    from weatherd.cli.demo import demo

    return demo(options.port, options.duration_s)


def _check(options: argparse.Namespace) -> int:
    from weatherd.cli.check import check, check_running

    return check_running() if options.running else check(options.config)


def _doctor(options: argparse.Namespace) -> int:
    from weatherd.cli.doctor import doctor

    return doctor(options.config, as_json=options.json)


def _scan(options: argparse.Namespace) -> int:
    from weatherd.cli.scan import scan

    return scan(options.bus)


def _status(options: argparse.Namespace) -> int:
    from weatherd.cli.status import show

    return show(as_json=options.json)


def _tail(options: argparse.Namespace) -> int:
    from weatherd.cli.tail import tail

    return tail(options.sensor)


def _ir_send(options: argparse.Namespace) -> int:
    from weatherd.cli.ir import send

    return send(options.name)


def _ir_list(_: argparse.Namespace) -> int:
    from weatherd.cli.ir import commands

    return commands()


def _export(options: argparse.Namespace) -> int:
    from weatherd.cli.export import Period, export

    period = Period(options.from_, options.to)
    if period.from_ and period.to and period.from_ >= period.to:
        options.parser.error(f"--from {period.from_.isoformat()} is not before --to {period.to.isoformat()}")
    return export(options.config, period, options.format, options.output)


def _quarantine(options: argparse.Namespace) -> int:
    from weatherd.cli.journal import quarantine

    return quarantine(options.config, as_json=options.json)


def _requeue(options: argparse.Namespace) -> int:
    from weatherd.cli.journal import requeue

    return requeue(options.config, options.sink, options.seq)


def _time(text: str) -> dt.datetime:
    try:
        time = dt.datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text} is no time: a date such as 2026-11-23, or a date with a time such as 2026-11-23T15:14:10Z or "
            "2026-11-23T12:14:10-03:00; without Z or an offset it is UTC"
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=dt.UTC)


def _seq(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not 0 < int(text) < 2**63:
        raise argparse.ArgumentTypeError(
            f"{text} is no seq: a whole number above 0, as `weatherd journal quarantine` shows it"
        )
    return int(text)


def _bus(text: str) -> int | str:
    if text == "simulated":
        return text
    number = int(text) if text.isascii() and text.isdecimal() else -1
    if not 0 <= number <= 255:  # noqa: PLR2004 - as in the configuration
        raise argparse.ArgumentTypeError(f'{text} is no bus: 0 to 255, or "simulated"')
    return number


def _port(text: str) -> int:
    number = int(text) if text.isdecimal() else -1
    if not 0 <= number < 65_536:  # noqa: PLR2004 - all ports there are
        raise argparse.ArgumentTypeError(f"{text} is no port: 0 to 65535")
    return number


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds above 0")
    return seconds
