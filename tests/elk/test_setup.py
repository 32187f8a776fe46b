import json
import os
import re
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import trustme

from tests.elk.day import TEMPLATES
from tests.elk.elastic_api import ElasticApi
from tests.elk.engine import Engine

SETUP = Path("config/elk/setup.py").absolute()


def setup(*options: str | Path, program: Path = SETUP, wait: str = "20") -> subprocess.CompletedProcess[str]:
    """Run it as people do."""
    command = [sys.executable, "-I", program, *options, "--wait", wait]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def passwords(tmp_path: Path) -> Sequence[str]:
    """Give a file for each password, as options."""
    options = []
    for name in ("password", "writer-password", "reader-password", "kibana-password"):
        path = tmp_path / name
        path.write_text(f"secret-{name}\n")
        options.append(f"--{name}-file={path}")
    return ["--user=elastic", *options]


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    """Give a copy of the kit with small saved objects in both languages; return its setup.py."""
    folder = tmp_path / "elk"
    (folder / "kibana").mkdir(parents=True)
    (folder / "elasticsearch").symlink_to(TEMPLATES.absolute())
    (folder / "setup.py").write_bytes(SETUP.read_bytes())
    for language in ("en", "pt-BR"):
        lines = [{"type": "index-pattern", "id": "weatherd"}, {"type": "dashboard", "id": f"panel-{language}"}]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / "kibana" / f"painel-do-clima.{language}.ndjson").write_text(text)
    return folder / "setup.py"


def assert_says(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """Two lines on standard error, which hold the words, and no traceback."""
    assert done.returncode == code, done.stderr
    error, hint = done.stderr.splitlines()
    assert error.startswith("error: ")
    assert hint.startswith("hint:  ")
    assert all(word in done.stderr for word in words), done.stderr


def test_everything_is_loaded_in_an_order_that_works(kit: Path, passwords: Sequence[str]) -> None:
    """Lifecycle, templates, roles, users, Kibana's own password, and the panel in both languages."""
    with ElasticApi({"elastic": "secret-password"}, not_yet=3, users_not_yet=2) as api:
        done = setup("--elasticsearch", api.url, "--kibana", api.url, *passwords, program=kit)
        assert (done.returncode, done.stderr) == (0, "")
    assert list(api.put) == [
        "/_ilm/policy/weatherd",
        "/_index_template/weatherd",
        "/_index_template/foreign-weatherd",
        "/_security/role/weatherd_reader",
        "/_security/role/weatherd_writer",
        "/_security/user/weatherd_logstash",
        "/_security/user/weatherd_reader",
        "/_security/user/kibana_system/_password",
    ]
    assert api.put["/_ilm/policy/weatherd"] == json.loads((TEMPLATES / "lifecycle.json").read_text())
    assert api.put["/_index_template/weatherd"] == json.loads((TEMPLATES / "index-template.json").read_text())
    assert api.passwords == {
        "elastic": "secret-password",
        "weatherd_logstash": "secret-writer-password",
        "weatherd_reader": "secret-reader-password",
        "kibana_system": "secret-kibana-password",
    }
    assert api.put["/_security/user/weatherd_logstash"]["roles"] == ["weatherd_writer"]
    assert {id_ for _, id_ in api.imported} == {"weatherd", "panel-en", "panel-pt-BR"}
    assert len(done.stdout.splitlines()) == 13
    assert all(line.startswith("ok  ") for line in done.stdout.splitlines())
    assert "secret" not in done.stdout


def test_a_second_run_changes_nothing(kit: Path, passwords: Sequence[str]) -> None:
    """It may be run at each start: the same is put again, and nothing is refused."""
    with ElasticApi({"elastic": "secret-password"}) as api:
        first = setup("--elasticsearch", api.url, "--kibana", api.url, *passwords, program=kit)
        before = (dict(api.put), dict(api.imported), dict(api.passwords))
        second = setup("--elasticsearch", api.url, "--kibana", api.url, *passwords, program=kit)
        assert (second.returncode, second.stdout) == (0, first.stdout)
    assert before == (api.put, api.imported, api.passwords)
    assert api.refused == 0


def test_without_security_there_are_neither_roles_nor_users(kit: Path) -> None:
    """No user is named, no password is sent, and the rest is loaded."""
    with ElasticApi() as api:
        done = setup("--elasticsearch", api.url, "--kibana", api.url, program=kit)
        assert (done.returncode, done.stderr) == (0, "")
    assert [path.split("/")[1] for path in api.put] == ["_ilm", "_index_template", "_index_template"]
    assert "security is off" in done.stdout
    assert len(api.imported) == 3


def test_one_language_is_imported_alone(kit: Path) -> None:
    """Whoever wants Portuguese gets no English panel beside it; Elasticsearch is left alone."""
    with ElasticApi() as api:
        assert setup("--kibana", api.url, "--language", "pt-BR", program=kit).returncode == 0
    assert {id_ for _, id_ in api.imported} == {"weatherd", "panel-pt-BR"}
    assert api.put == {}


def test_what_somebody_has_already_can_be_skipped(passwords: Sequence[str]) -> None:
    """Without the lifecycle the template names none; users without a password are not made."""
    with ElasticApi({"elastic": "secret-password"}) as api:
        done = setup("--elasticsearch", api.url, *passwords[:2], "--skip=lifecycle", "--skip=roles")
        assert done.returncode == 0
    assert set(api.put) == {"/_index_template/weatherd", "/_index_template/foreign-weatherd"}
    assert "lifecycle" not in api.put["/_index_template/weatherd"]["template"]["settings"]["index"]
    assert "no user weatherd_reader" in done.stdout


def test_a_wrong_password_is_told(passwords: Sequence[str]) -> None:
    """It is tried until the deadline, as an Elasticsearch that has just started knows nobody, and then said."""
    with ElasticApi({"elastic": "another"}) as api:
        done = setup("--elasticsearch", api.url, *passwords, wait="1")
    assert_says(done, os.EX_PROTOCOL, "401", "--password-file")
    assert "secret" not in done.stderr + done.stdout
    assert api.put == {}


def test_a_refusal_is_told_with_its_reason(tmp_path: Path, passwords: Sequence[str]) -> None:
    """What Elasticsearch says stands in the error, and what was loaded before is said."""
    (tmp_path / "writer-password").write_text("short")
    with ElasticApi({"elastic": "secret-password"}) as api:
        done = setup("--elasticsearch", api.url, *passwords)
    assert_says(done, os.EX_PROTOCOL, "400", "/_security/user/weatherd_logstash", "at least [6] characters")
    assert "ok  role weatherd_writer" in done.stdout


def test_an_import_that_kibana_does_not_take_is_told(kit: Path) -> None:
    """Its 200 is not believed: the body says what went wrong with which object."""
    with ElasticApi() as api:
        api.missing_references = True
        done = setup("--kibana", api.url, program=kit)
    assert_says(done, os.EX_PROTOCOL, "painel-do-clima.en.ndjson", "dashboard panel", "missing_references")


def test_nobody_there_is_told_after_the_deadline() -> None:
    """Where nobody listens it does not wait for ever."""
    done = setup("--elasticsearch", "http://127.0.0.1:9", wait="0.5")
    assert_says(done, os.EX_UNAVAILABLE, "http://127.0.0.1:9", "refused")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ((), "--kibana"),
        (("--elasticsearch", "localhost:9200"), "https://"),
        (("--kibana", "http://localhost", "--user", "elastic"), "--password-file"),
        (("--kibana", "http://localhost", "--reader-password-file", "x"), "--user"),
        (("--kibana", "http://localhost", "--language", "es"), "pt-BR"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: Sequence[str], word: str) -> None:
    """A mistake in the command line is said in two lines, with the way out."""
    assert_says(setup(*options), os.EX_USAGE, word)


def test_every_option_is_in_the_documentation() -> None:
    """Each that --help lists is in the table of docs/elk.md or beside it."""
    offered = set(re.findall(r"--[a-z-]+", setup("--help").stdout)) - {"--help"}
    assert len(offered) >= 11
    assert offered <= set(re.findall(r"--[a-z-]+", Path("docs/elk.md").read_text()))


def test_a_password_that_is_none_is_told(tmp_path: Path) -> None:
    """A file that is missing, empty or no text is named."""
    options = ("--elasticsearch", "http://127.0.0.1:9", "--user", "elastic", "--password-file")
    assert_says(setup(*options, tmp_path / "missing"), os.EX_CONFIG, "missing")
    for content in (b"\n", b"\xff\xfe"):
        (tmp_path / "odd").write_bytes(content)
        assert_says(setup(*options, tmp_path / "odd"), os.EX_CONFIG, "odd")


class _Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_tls_is_checked_against_the_ca_that_was_given(tmp_path: Path) -> None:
    """A certificate that the system does not know is refused at once; with its CA one gets as far as the answer."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with HTTPServer(("127.0.0.1", 0), _Hello) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"https://127.0.0.1:{server.server_port}"
        unknown = setup("--elasticsearch", url)
        known = setup("--elasticsearch", url, "--ca-file", tmp_path / "ca.pem")
        server.shutdown()
        thread.join()
    assert_says(unknown, os.EX_UNAVAILABLE, "certificate", "--ca-file")
    assert_says(known, os.EX_PROTOCOL, "404 to GET /")
    assert_says(setup("--elasticsearch", url, "--ca-file", SETUP), os.EX_CONFIG, "PEM")


@pytest.fixture
def old_index(elasticsearch: Engine) -> Iterator[str]:
    """Give an index of an older template, and take away all that the test makes."""
    elasticsearch.ask("DELETE", "/_index_template/*weatherd")
    elasticsearch.put("/weatherd-1990.01", {"mappings": {"dynamic": False}})
    yield "weatherd-1990.01"
    elasticsearch.ask("DELETE", "/weatherd-1990.01,weatherd-1990.02?ignore_unavailable=true")


def test_a_real_elasticsearch_takes_the_templates(elasticsearch: Engine, old_index: str) -> None:
    """Loaded by setup.py, an index of a month gets its fields; one that was there before gets them at an upgrade."""
    for _ in range(2):
        done = setup("--elasticsearch", elasticsearch.url, "--skip", "lifecycle")
        assert (done.returncode, done.stderr) == (0, "")
        assert re.search(r"fields of [1-9]\d* indices", done.stdout)
    elasticsearch.put("/weatherd-1990.02")
    _, old = elasticsearch.ask("GET", f"/{old_index}/_mapping")
    _, new = elasticsearch.ask("GET", "/weatherd-1990.02/_mapping")
    assert old[old_index] == new["weatherd-1990.02"]
    assert new["weatherd-1990.02"]["mappings"]["properties"]["station"]["properties"]["location"]["type"] == "geo_point"


def test_a_lifecycle_that_elasticsearch_does_not_have_is_told(elasticsearch: Engine) -> None:
    """One without it refuses the policy, and the hint says how to go on."""
    assert_says(setup("--elasticsearch", elasticsearch.url), os.EX_PROTOCOL, "/_ilm/policy/weatherd", "--skip")
