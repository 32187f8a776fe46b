#!/usr/bin/env python3
"""
Load weatherd's kit into Elasticsearch and Kibana: lifecycle, templates, roles, users, and the Painel do Clima.

It waits until they answer, puts everything where it belongs, says each step in a line, and ends. A second run puts the
same again: that is how one upgrades. Python's standard library is all it needs; docs/elk.md tells which API calls it
makes, for those who would rather make them by hand.
"""

import argparse
import base64
import http.client
import json
import os
import ssl
import sys
import time
import urllib.parse
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

HERE = Path(__file__).parent
TEMPLATES = {"weatherd": "index-template.json", "foreign-weatherd": "foreign-template.json"}
LANGUAGES = ("en", "pt-BR")
PARTS = ("lifecycle", "templates", "fields", "roles")

ATTEMPT_S = 30.0
"""How long one answer may take."""

PAUSE_S = 0.5
"""Between two looks at something that is not up yet."""

UNAUTHORIZED_S = 30.0
"""How long a 401 is not believed: an Elasticsearch that has just started does not know its passwords yet."""

_NOT_NOW = (429, 502, 503, 504)


class Failed(Exception):
    """
    Tell people what did not work.

    Args:
        message: A sentence.
        hint: What to do.
        code: Exit code, as in sysexits: 69 nobody answers, 76 it was refused, 78 a file is not as it should be.
    """

    def __init__(self, message: str, hint: str, code: int = os.EX_UNAVAILABLE) -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code


class Api:
    """
    One HTTP API, Elasticsearch's or Kibana's.

    Args:
        name: For people.
        url: ``http://`` or ``https://``, with a path if a proxy has put one before it.
        credentials: User and password; None where security is off.
        tls: For https.
        deadline_s: By the monotonic clock: how long it may take until it is up.
    """

    def __init__(
        self, name: str, url: str, credentials: tuple[str, str] | None, tls: ssl.SSLContext, deadline_s: float
    ) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise Failed(f"{url} is no URL of {name}", "write it as https://host:port", os.EX_USAGE)
        self.name = name
        self._url = url
        self._path = parts.path.rstrip("/")
        self._headers = {"kbn-xsrf": "weatherd"} if name == "Kibana" else {}
        if credentials is not None:
            self._headers["Authorization"] = "Basic " + base64.b64encode(":".join(credentials).encode()).decode()
        self._deadline_s = deadline_s
        host, port = parts.hostname, parts.port
        self._connect: Callable[[], http.client.HTTPConnection] = (
            (lambda: http.client.HTTPSConnection(host, port, timeout=ATTEMPT_S, context=tls))
            if parts.scheme == "https"
            else (lambda: http.client.HTTPConnection(host, port, timeout=ATTEMPT_S))
        )

    def send(
        self, method: str, path: str, body: object = None, *, content_type: str = "application/json"
    ) -> Mapping[str, Any]:
        """
        Send a request until it is taken or refused; return the answer.

        Args:
            method: ``GET``, ``PUT`` or ``POST``.
            path: With its query, beginning with a slash.
            body: Encoded as JSON; bytes go as they are.
            content_type: Of the body.

        Raises:
            Failed: If it is refused, or nobody takes it in time.
        """
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {**self._headers, **({} if content is None else {"Content-Type": content_type})}
        began_s = time.monotonic()
        while True:
            refused: Failed | None = None
            try:
                status, answer = self._attempt(method, self._path + path, content, headers)
            except ssl.SSLCertVerificationError as error:
                hint = "give its CA with --ca-file"
                raise Failed(f"{self._url}: its certificate: {error.verify_message}", hint) from error
            except (OSError, http.client.HTTPException) as error:
                why = str(error) or type(error).__name__
            else:
                if status < http.HTTPStatus.BAD_REQUEST:
                    return answer
                why = f"it answers {status}: {_reason(answer)}"
                if status not in _NOT_NOW:
                    refused = self._refused(status, method, path, answer)
                if refused and (status != http.HTTPStatus.UNAUTHORIZED or _has_passed(began_s + UNAUTHORIZED_S)):
                    raise refused
            if _has_passed(self._deadline_s):
                raise refused or Failed(
                    f"{self.name} at {self._url} is not up: {why}", "look at its log, or wait longer: --wait"
                )
            time.sleep(PAUSE_S)

    def wait_until(self, path: str, is_up: Callable[[Mapping[str, Any]], bool]) -> None:
        """Ask until the answer says that it is up."""
        while not is_up(self.send("GET", path)):
            if _has_passed(self._deadline_s):
                raise Failed(f"{self.name} at {self._url} does not become available", "look at its log")
            time.sleep(PAUSE_S)

    def _attempt(
        self, method: str, path: str, content: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, Any]]:
        connection = self._connect()
        try:
            connection.request(method, path, content, dict(headers))
            response = connection.getresponse()
            read = response.read()
        finally:
            connection.close()
        try:
            answer = json.loads(read)
        except ValueError:
            answer = None
        return response.status, answer if isinstance(answer, dict) else {}

    def _refused(self, status: int, method: str, path: str, answer: Mapping[str, Any]) -> Failed:
        hints = {
            401: "--user and --password-file must be those of somebody whom it knows",
            403: "that user may not do this: docs/elk.md has the privileges that it needs",
        }
        hint = hints.get(status, "is it the release that docs/elk.md names? --skip leaves a part out")
        said = _reason(answer)
        return Failed(f"{self.name} answers {status} to {method} {path}: {said}", hint, os.EX_PROTOCOL)


def load_elasticsearch(api: Api, options: argparse.Namespace) -> Iterator[str]:
    """Put templates, roles and users there; yield what has been done, step by step."""
    found = api.send("GET", "/")
    yield f"Elasticsearch {_version(found)} answers"
    if "lifecycle" not in options.skip:
        api.send("PUT", "/_ilm/policy/weatherd", _file("elasticsearch/lifecycle.json"))
        yield "lifecycle weatherd"
    templates = {name: _template(file, options.skip) for name, file in TEMPLATES.items()}
    if "templates" not in options.skip:
        for name, template in templates.items():
            api.send("PUT", f"/_index_template/{name}", template)
            yield f"index template {name}"
    if "fields" not in options.skip:
        # A template is for indices to come. Those that are there get the fields that are new to them.
        mappings = templates["weatherd"]["template"]["mappings"]
        indices = api.send("GET", "/weatherd-*/_settings?filter_path=*.settings.index.uuid")
        for index in sorted(indices):
            api.send("PUT", f"/{index}/_mapping", mappings)
        yield f"fields of {len(indices)} indices that were there"
    if options.user:
        yield from _load_security(api, options)
    else:
        yield "no roles and users, as security is off (no --user)"


def _load_security(api: Api, options: argparse.Namespace) -> Iterator[str]:
    if "roles" not in options.skip:
        for path in sorted(HERE.glob("elasticsearch/roles/*.json")):
            api.send("PUT", f"/_security/role/{path.stem}", _file(path))
            yield f"role {path.stem}"
    users = {
        "weatherd_logstash": (options.writer_password_file, "weatherd_writer"),
        "weatherd_reader": (options.reader_password_file, "weatherd_reader"),
    }
    for name, (password_file, role) in users.items():
        if password_file is None:
            yield f"no user {name}, as there is no password for it"
            continue
        api.send("PUT", f"/_security/user/{name}", {"password": _password(password_file), "roles": [role]})
        yield f"user {name}"
    if options.kibana_password_file is not None:
        body = {"password": _password(options.kibana_password_file)}
        api.send("POST", "/_security/user/kibana_system/_password", body)
        yield "password of kibana_system"


def load_kibana(api: Api, languages: Sequence[str]) -> Iterator[str]:
    """Import the saved objects of these languages; yield what has been done, step by step."""
    paths = [path for language in languages for path in sorted(HERE.glob(f"kibana/*.{language}.ndjson"))]
    if not paths:
        raise Failed(f"no saved objects in {HERE / 'kibana'}", "take the whole of config/elk", os.EX_CONFIG)
    api.wait_until("/api/status", lambda answer: _level(answer) == "available")
    yield "Kibana is available"
    for path in paths:
        content_type, body = _form(path)
        answer = api.send("POST", "/api/saved_objects/_import?overwrite=true", body, content_type=content_type)
        if answer.get("success") is not True:
            wrong = "; ".join(_mistake(error) for error in answer.get("errors", ())) or "it does not say why"
            raise Failed(f"Kibana did not import {path.name}: {wrong}", "is it Kibana 8.19?", os.EX_PROTOCOL)
        yield f"{answer.get('successCount')} saved objects of {path.name}"


def _template(file: str, skip: Sequence[str]) -> dict[str, Any]:
    template = _file(f"elasticsearch/{file}")
    if "lifecycle" in skip:
        template["template"]["settings"]["index"].pop("lifecycle", None)
    return template


def _file(name: str | Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((HERE / name).read_text("utf-8"))
    return content


def _password(path: Path) -> str:
    try:
        password = path.read_text("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        password = ""
    if not password:
        raise Failed(f"{path} holds no password", "put it there as text, and nothing else", os.EX_CONFIG)
    return password


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError as error:
        raise Failed(f"{ca_file} holds no certificate", "it must be PEM", os.EX_CONFIG) from error
    except OSError as error:
        raise Failed(f"{ca_file}: {error.strerror}", "can it be read from here?", os.EX_CONFIG) from error


def _form(path: Path) -> tuple[str, bytes]:
    """Return content type and body of a form with one file, for RFC 7578."""
    boundary = uuid.uuid4().hex
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n'
        "Content-Type: application/ndjson\r\n\r\n"
    )
    return (
        f"multipart/form-data; boundary={boundary}",
        head.encode() + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode(),
    )


def _has_passed(moment_s: float) -> bool:
    return time.monotonic() > moment_s


def _reason(answer: Mapping[str, Any]) -> str:
    """Return what an API says about its refusal: Elasticsearch in ``error``, Kibana in ``message``."""
    error = answer.get("error")
    if isinstance(error, dict):
        return str(error.get("reason") or error.get("type"))
    return str(answer.get("message") or error or "it says no more")


def _mistake(error: Mapping[str, Any]) -> str:
    kind = error.get("error", {})
    return f"{error.get('type')} {error.get('id')}: {kind.get('message') or kind.get('type')}"


def _version(answer: Mapping[str, Any]) -> str:
    version = answer.get("version")
    return str(version.get("number", "?")) if isinstance(version, dict) else "?"


def _level(answer: Mapping[str, Any]) -> object:
    status = answer.get("status")
    overall = status.get("overall") if isinstance(status, dict) else None
    return overall.get("level") if isinstance(overall, dict) else None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        print(f"error: {message}\nhint:  {self.prog} --help lists what there is", file=sys.stderr)
        sys.exit(os.EX_USAGE)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(description="Load weatherd's kit into Elasticsearch and Kibana. A second run upgrades.")
    parser.add_argument("--elasticsearch", metavar="URL", help="load lifecycle, templates, roles and users there")
    parser.add_argument("--kibana", metavar="URL", help="import the Painel do Clima there")
    parser.add_argument("--ca-file", type=Path, help="the CA of their certificates, instead of the system's")
    parser.add_argument("--user", help="as whom, such as elastic; leave it out where security is off")
    parser.add_argument("--password-file", type=Path, help="a file with the password of that user")
    parser.add_argument("--writer-password-file", type=Path, help="make weatherd_logstash, which Logstash writes as")
    parser.add_argument("--reader-password-file", type=Path, help="make weatherd_reader, who may look at the panel")
    parser.add_argument("--kibana-password-file", type=Path, help="set the password of the built-in kibana_system")
    parser.add_argument("--language", choices=[*LANGUAGES, "both"], default="both", help="of the panel (%(default)s)")
    parser.add_argument("--skip", choices=PARTS, action="append", default=[], help="leave a part out; may be repeated")
    parser.add_argument("--wait", type=float, default=300.0, metavar="SECONDS", help="for them to be up (%(default)s)")
    return parser


def _checked(options: argparse.Namespace) -> argparse.Namespace:
    """Raise Failed for options that do not go together."""
    others = (options.writer_password_file, options.reader_password_file, options.kibana_password_file)
    if not options.elasticsearch and not options.kibana:
        raise Failed("nothing to do", "give --elasticsearch, --kibana or both", os.EX_USAGE)
    if bool(options.user) != bool(options.password_file):
        raise Failed("--user and --password-file belong together", "give both or none", os.EX_USAGE)
    if not options.user and any(others):
        raise Failed("only a user can give others a password", "add --user and --password-file", os.EX_USAGE)
    return options


def run(options: argparse.Namespace) -> Iterator[str]:
    """Do all that the options ask for; yield what has been done, step by step."""
    credentials = (options.user, _password(options.password_file)) if options.user else None
    tls = _tls(options.ca_file)
    deadline_s = time.monotonic() + options.wait
    if options.elasticsearch:
        yield from load_elasticsearch(
            Api("Elasticsearch", options.elasticsearch, credentials, tls, deadline_s), options
        )
    if options.kibana:
        languages = LANGUAGES if options.language == "both" else (options.language,)
        yield from load_kibana(Api("Kibana", options.kibana, credentials, tls, deadline_s), languages)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""
    try:
        for done in run(_checked(_parser().parse_args(arguments))):
            print(f"ok  {done}", flush=True)
    except Failed as failed:
        print(f"error: {failed}\nhint:  {failed.hint}", file=sys.stderr)
        return failed.code
    except OSError as error:  # of the files; those of the network are told above
        print(f"error: {error.filename}: {error.strerror}\nhint:  can it be read from here?", file=sys.stderr)
        return os.EX_CONFIG
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main())
