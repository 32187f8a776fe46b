"""The command line itself: its help, and slips of the finger."""

import pytest

from weatherd.cli import main

COMMANDS = ("run", "demo", "check", "doctor", "scan", "status", "tail", "ir", "ir send", "ir list")
JOURNAL_COMMANDS = ("journal", "journal export", "journal quarantine", "journal requeue")


@pytest.mark.parametrize("command", [*COMMANDS, *JOURNAL_COMMANDS])
def test_the_help_of_a_command_says_what_it_does(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever asks for the help of one command reads a sentence, not only its options."""
    with pytest.raises(SystemExit) as caught:
        main([*command.split(), "--help"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.split("\n\n")[1][0].isupper()


def test_a_configuration_without_its_option_is_told_how(capsys: pytest.CaptureFixture[str]) -> None:
    """`weatherd check weatherd.toml` is what people type first."""
    with pytest.raises(SystemExit) as caught:
        main(["check", "weatherd.toml"])
    assert caught.value.code == 64
    assert "\nhint:  a configuration is named with --config FILE\n" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["scan", "status", "tail", "ir list", "ir send lamp"])
def test_a_command_that_reads_no_configuration_says_so(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever names a configuration to it is not sent in a circle."""
    with pytest.raises(SystemExit) as caught:
        main([*command.split(), "--config", "weatherd.toml"])
    assert caught.value.code == 64
    assert "\nhint:  this command reads no configuration; see `weatherd --help`\n" in capsys.readouterr().err


def test_any_other_surplus_word_is_sent_to_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """No hint is better than a wrong one."""
    with pytest.raises(SystemExit):
        main(["check", "now"])
    assert "\nhint:  see `weatherd --help`\n" in capsys.readouterr().err
