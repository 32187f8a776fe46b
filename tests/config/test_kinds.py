import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from weatherd.config.kinds import (
    Address,
    existing_file,
    parse_listen,
    parse_time_zone,
    parse_url,
    parse_username,
    place,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:7433", Address("127.0.0.1", 7433)),
        ("127.8.9.10:1", Address("127.8.9.10", 1)),
        ("[::1]:7433", Address("::1", 7433)),
        ("localhost:65535", Address("127.0.0.1", 65_535)),
        ("/run/weatherd/in.sock", Path("/run/weatherd/in.sock")),
    ],
)
def test_an_address_to_listen_at_is_read(text: str, expected: Address | Path) -> None:
    """A loopback host and port make an address, an absolute path a Unix socket."""
    assert parse_listen(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "7433", ":7433", "::1:7433", "localhost", "localhost:", "localhost:0", "localhost:65536", "in.sock", "/a\0b"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """An address needs its host, its port and its brackets; a socket needs an absolute path."""
    with pytest.raises(ValueError, match=r"^$"):
        parse_listen(text)


@pytest.mark.parametrize("text", ["0.0.0.0:7433", "[::]:7433", "192.168.1.4:7433", "garden.local:7433"])
def test_nobody_outside_may_write(text: str) -> None:
    """Any host but this machine itself is refused, and the message says so."""
    with pytest.raises(ValueError, match="only loopback hosts"):
        parse_listen(text)


def test_the_path_of_a_socket_has_a_limit() -> None:
    """The kernel takes 107 bytes, not 108."""
    assert parse_listen("/" + "a" * 106)
    with pytest.raises(ValueError, match="107 bytes"):
        parse_listen("/" + "a" * 107)


@pytest.mark.parametrize(
    "text",
    [
        "http://logstash.local:8080",
        "https://example.org/in/weather?x=1",
        "http://10.0.0.5:8080/",
        "http://[fe80::1]:8080",
        "http://logstash_1:8080",
        "http://wetter.münchen.example",
    ],
)
def test_a_url_stays_as_it_is(text: str) -> None:
    """What is a URL passes unchanged."""
    assert parse_url(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "logstash.local:8080",
        "logstash.local",
        "http:/logstash",
        "http://",
        "http://:8080",
        "htp://logstash",
        "ftp://logstash",
        "http://a b",
        "http://logstash:port",
        "http://logstash:0",
        "http://logstash:65536",
        "http://logstash:",
        "http://[::1",
        "http://[zz]",
        "http://a..b",
        "http://a/\n",
        "http://a/<id>",
    ],
)
def test_what_is_no_url_is_refused(text: str) -> None:
    """A URL has a scheme that we speak, a host, and a port that exists."""
    with pytest.raises(ValueError, match=r"^$"):
        parse_url(text)


@pytest.mark.parametrize("text", ["http://user:secret@logstash", "http:/user:secret@logstash", "user:secret@logstash"])
def test_a_password_in_a_url_is_refused_and_not_repeated(text: str) -> None:
    """The message names where a password belongs, and does not say what it was."""
    with pytest.raises(ValueError, match="password_file") as caught:
        parse_url(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "weatherd:secret", "secret\n"])
def test_a_username_is_never_repeated(text: str) -> None:
    """What is wrong with a username is told without it: it may hold the password."""
    with pytest.raises(ValueError, match="password_file") as caught:
        parse_username(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["UTC", "America/Sao_Paulo"])
def test_a_time_zone_is_known_by_its_name(text: str) -> None:
    """Names of the IANA database pass."""
    assert parse_time_zone(text) == text


@pytest.mark.parametrize("text", ["", "Mars/Olympus", "America", "../UTC", "/etc/localtime", "a\0b", "x" * 5000])
def test_what_is_no_time_zone_is_refused(text: str) -> None:
    """Neither a folder of the database nor a path is a time zone."""
    with pytest.raises(ValueError, match=r"^$"):
        parse_time_zone(text)


def test_a_relative_place_is_counted_from_the_folder(tmp_path: Path) -> None:
    """Where the daemon was started does not matter."""
    assert place("journal.db", tmp_path) == tmp_path / "journal.db"
    assert place("/var/journal.db", tmp_path) == Path("/var/journal.db")


@pytest.mark.parametrize("text", ["", "a\0b", "a\nb"])
def test_what_is_no_path_is_refused(text: str, tmp_path: Path) -> None:
    """Neither nothing nor a zero character names a place."""
    with pytest.raises(ValueError, match=r"^$"):
        place(text, tmp_path)


def test_a_file_is_found_beside_the_configuration(tmp_path: Path) -> None:
    """Without a credentials folder, or without the file in it, a relative name counts from the configuration."""
    (tmp_path / "password").touch()
    assert existing_file("password", tmp_path) == tmp_path / "password"


def test_the_credentials_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where systemd hands over a file of that name, it wins; where it does not, ours is found."""
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (tmp_path / "password").touch()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert existing_file("password", tmp_path) == tmp_path / "password"
    (credentials / "password").touch()
    assert existing_file("password", tmp_path) == credentials / "password"


@pytest.mark.parametrize(("text", "loaded"), [("password", "weatherd_password"), ("tls/ca.pem", "weatherd_tls_ca.pem")])
def test_a_folder_of_credentials_is_found_by_its_files_names(
    text: str, loaded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the unit loads as a folder has its id before each name, and the configuration needs not say so."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / loaded).touch()
    assert existing_file(text, tmp_path / "etc") == tmp_path / loaded


def test_at_a_terminal_the_folder_of_credentials_is_searched_last(tmp_path: Path) -> None:
    """Without systemd the files that the unit would load are found where they lie, if there is no other of the name."""
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "password").touch()
    assert existing_file("password", tmp_path) == tmp_path / "credentials" / "password"
    (tmp_path / "password").touch()
    assert existing_file("password", tmp_path) == tmp_path / "password"


@pytest.mark.parametrize("credentials", ["", "/run/credentials/weatherd"])
def test_a_missing_file_is_told_with_every_place(
    credentials: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names each folder that was searched."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", credentials)
    with pytest.raises(ValueError, match="there is no file") as caught:
        existing_file("password", tmp_path)
    assert str(tmp_path / "password") in str(caught.value)
    assert (credentials or "CREDENTIALS_DIRECTORY is not set") in str(caught.value)


def test_a_missing_file_with_an_absolute_path_is_told_alone(tmp_path: Path) -> None:
    """An absolute path is looked up nowhere else."""
    with pytest.raises(ValueError, match=r"there is no file /nowhere/password$"):
        existing_file("/nowhere/password", tmp_path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """A folder in the place of a file is told as what it is."""
    with pytest.raises(ValueError, match="is no file"):
        existing_file(str(tmp_path), tmp_path)


def test_a_fifo_is_no_file_and_nobody_waits_for_it(tmp_path: Path) -> None:
    """A pipe without a writer would hold the start for ever."""
    os.mkfifo(tmp_path / "password")
    with pytest.raises(ValueError, match="is no file"):
        existing_file("password", tmp_path)


def test_a_name_beyond_the_limits_of_the_disk_is_told(tmp_path: Path) -> None:
    """What the system says of a path is passed on."""
    with pytest.raises(ValueError, match="cannot be read"):
        existing_file("a" * 5000, tmp_path)


NOBODY = 65_534


@pytest.fixture
def ordinary_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Lay down root's rights for a while: root may read everything."""
    (tmp_path_factory.getbasetemp() / "password").touch(mode=0)
    was = os.geteuid()
    if was == 0:
        os.seteuid(NOBODY)
    yield
    os.seteuid(was)


@pytest.mark.usefixtures("ordinary_user")
def test_a_file_that_may_not_be_read_is_told(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A file of another user's is there, and of no use."""
    with pytest.raises(ValueError, match="cannot be read"):
        existing_file("password", tmp_path_factory.getbasetemp())
