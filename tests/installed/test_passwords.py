"""The program behind the service `passwords` of compose.yaml, run as it is run there: by root, on folders."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.installed.composition import ROOT, composition

PROGRAM = ROOT / "config" / "compose" / "passwords.py"
WRAPPER = ROOT / "config" / "compose" / "with_passwords.sh"
SERVICES = {"elasticsearch": 1000, "logstash": 1000, "kibana": 1000, "weatherd": 8600}

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run the program with nothing but Python."""
    command = [sys.executable, "-I", PROGRAM, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def held(folder: Path) -> dict[str, str]:
    """Return every password by its path."""
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@needs_root
def test_a_first_run_makes_passwords_that_cannot_be_guessed(tmp_path: Path) -> None:
    """Each is 128 random bits of its own, and what two services share is the same in both."""
    assert run(tmp_path).stdout == "passwords: 6 made, 6 handed out\n"
    passwords = held(tmp_path)
    whole = {name: passwords[name] for name in passwords if name.startswith("all/")}
    assert len(set(whole.values())) == 6
    assert all(len(bytes.fromhex(password)) == 16 for password in whole.values())
    assert all(password == passwords[f"all/{Path(name).name}"] for name, password in passwords.items())
    assert passwords["weatherd/station"] == passwords["logstash/station"]


@needs_root
def test_two_installations_have_nothing_in_common(tmp_path: Path) -> None:
    """Passwords are drawn, not derived."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        run(tmp_path / name)
    one, two = (set(held(tmp_path / name).values()) for name in ("one", "two"))
    assert len(one) == len(two) == 6
    assert not one & two


@needs_root
def test_another_run_keeps_them(tmp_path: Path) -> None:
    """A second start changes nothing, and makes only what is missing."""
    run(tmp_path)
    before = held(tmp_path)
    assert run(tmp_path).stdout.startswith("passwords: 0 made")
    assert held(tmp_path) == before
    (tmp_path / "all" / "reader").unlink()
    (tmp_path / "kibana" / "kibana_system").unlink()
    assert run(tmp_path).stdout.startswith("passwords: 1 made")
    after = held(tmp_path)
    assert {name for name in before if before[name] != after[name]} == {"all/reader"}


@needs_root
def test_each_file_belongs_to_its_reader_alone(tmp_path: Path) -> None:
    """Mode 0400, and the user of the service; Elasticsearch refuses any other mode."""
    run(tmp_path)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            state = path.stat()
            assert stat.S_IMODE(state.st_mode) == 0o400, path
            assert state.st_uid == SERVICES.get(path.parent.name, 0), path


@needs_root
def test_logstash_cannot_become_the_superuser(tmp_path: Path) -> None:
    """What listens to stations holds its own user's password and theirs, and no other."""
    run(tmp_path)
    assert {path.name for path in (tmp_path / "logstash").iterdir()} == {"writer", "station"}
    assert {path.name for path in (tmp_path / "weatherd").iterdir()} == {"station"}


@needs_root
def test_the_services_find_what_compose_names(tmp_path: Path) -> None:
    """Every file that a setting of compose.yaml, or the station's configuration, names is made for that service."""
    run(tmp_path)
    services = composition()["services"]
    named = [("weatherd", "station")]
    for name, service in services.items():
        words = [*(service.get("environment") or {}).values(), *(service.get("command") or [])]
        named += [(name, word.rpartition("/")[2]) for word in words if "/run/passwords/" in word]
    assert len(named) >= 6
    for service, name in named:
        assert (tmp_path / ("all" if service.startswith("setup") else service) / name).is_file(), (service, name)
    assert 'password_file = "/run/passwords/station"' in (ROOT / "config" / "compose" / "weatherd.toml").read_text()


@needs_root
def test_one_is_shown_to_people(tmp_path: Path) -> None:
    """Nothing but the password, on one line; a name that is none is told with those that are."""
    run(tmp_path)
    shown = run(tmp_path, "show", "reader")
    assert (shown.stdout, shown.stderr) == ((tmp_path / "all" / "reader").read_text() + "\n", "")
    wrong = run(tmp_path, "show", "readr")
    assert wrong.returncode == 2
    assert "'reader'" in wrong.stderr


@pytest.mark.parametrize("arguments", [[], ["show", "reader"]])
def test_a_folder_that_is_not_there_is_a_sentence(tmp_path: Path, arguments: list[str]) -> None:
    """Run by hand without the volumes: what is missing, and what to do."""
    done = run(tmp_path / "none", *arguments)
    assert done.returncode == os.EX_IOERR
    error, hint = done.stderr.splitlines()
    assert error.startswith("error: ")
    assert error.endswith(": No such file or directory")
    assert hint.startswith("hint:  ")


def test_the_wrapper_puts_passwords_into_the_environment_only(tmp_path: Path) -> None:
    """A program finds them under their names in capitals, its arguments are as they were, and its exit code counts."""
    (tmp_path / "kibana_system").write_text("$ecret `word`")
    script = WRAPPER.read_text().replace("/run/passwords", str(tmp_path))
    program = ["sh", "-c", 'printf %s "$KIBANA_SYSTEM_PASSWORD $1"; exit 3', "program", "a b"]
    command = ["bash", "-c", script, "wrapper", *program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "$ecret `word` a b", "")


def test_the_wrapper_starts_nothing_without_passwords(tmp_path: Path) -> None:
    """Kibana or Logstash without its password would fail later, with an error that leads nowhere."""
    script = WRAPPER.read_text().replace("/run/passwords", str(tmp_path))
    done = subprocess.run(["bash", "-c", script, "wrapper", "true"], capture_output=True, timeout=60, check=False)
    assert done.returncode != 0
