"""
The command line: `weatherd run`, `demo`, `check` and `status`.

Exit codes follow sysexits. An error is two lines on standard error, what happened and what to do; a traceback would be
a mistake of ours.
"""

import argparse
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
        self.exit(os.EX_USAGE, f"error: cli.usage: {message}\nhint:  see `{self.prog} --help`\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="weatherd", description="A weather station daemon that never loses an observation.")
    parser.add_argument("--version", action="version", version=f"weatherd {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run the daemon")
    _add_config(run)
    run.add_argument(
        "--log-format",
        choices=("json", "console"),
        default="console" if sys.stdout.isatty() else "json",
        help="JSON lines, or lines for people (the default at a terminal)",
    )
    run.set_defaults(command=_run)

    demo = commands.add_parser("demo", help="run a whole station on emulated chips, with a stand-in for Logstash")
    demo.add_argument("--port", type=_port, default=0, metavar="N", help="of the stand-in; a free one by default")
    demo.add_argument("--for", type=_seconds, dest="duration_s", metavar="SECONDS", help="stop by itself after so long")
    demo.set_defaults(command=_demo)

    check = commands.add_parser("check", help="show every mistake in the configuration")
    _add_config(check)
    check.set_defaults(command=_check)

    status = commands.add_parser("status", help="ask the running daemon how it is")
    status.add_argument("--json", action="store_true", help="for programs")
    status.set_defaults(command=_status)
    return parser


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help=f"the configuration ({DEFAULT_CONFIG})"
    )


def _run(options: argparse.Namespace) -> int:
    from weatherd.cli.run import run

    return run(options.config, options.log_format)


def _demo(options: argparse.Namespace) -> int:
    from weatherd.cli.demo import demo

    return demo(options.port, options.duration_s)


def _check(options: argparse.Namespace) -> int:
    from weatherd.cli.check import check

    return check(options.config)


def _status(options: argparse.Namespace) -> int:
    from weatherd.cli.status import show

    return show(as_json=options.json)


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
