"""`weatherd ir`: what may be sent by infrared, and sending it, both by the running daemon."""

import os

from weatherd.control import ask


def send(name: str) -> int:
    """Let the running daemon send a command; return 0 when it is sent."""
    ask("infrared.send", name=name)
    print(f"sent {name}")
    return os.EX_OK


def commands() -> int:
    """Print the names of what can be sent, a line each."""
    for name in ask("infrared.commands")["commands"]:
        print(name)
    return os.EX_OK
