#!/opt/weatherd/bin/python3
"""
Stand-ins for Elasticsearch, Kibana and Logstash, as far as the start of compose.yaml needs them.

Passwords are real: Elasticsearch knows those that were set in it, and Kibana and Logstash end at once where theirs is
not among them, as a wrong order of the start would make it. What Elasticsearch was told is in its log, a line each.
"""

import asyncio
import base64
import json
import os
import stat
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PASSWORD_MODES = (0o400, 0o600)
"""Elasticsearch starts with a password file of no other mode (its `elasticsearch-env-from-file`)."""


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Handler(BaseHTTPRequestHandler):
    """Answers in JSON; the parts of Elastic differ in what they answer."""

    def respond(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def log_message(self, *_: object) -> None:
        """Say nothing of a single request."""

    def serve(self) -> None:
        raise NotImplementedError

    def do_GET(self) -> None:
        self.serve()

    do_POST = do_PUT = do_HEAD = do_DELETE = do_GET


class Elasticsearch(Handler):
    """Keeps users and their passwords; takes whatever else it is told."""

    passwords: dict[str, str] = {}

    def serve(self) -> None:
        body, path = self.body(), self.path.partition("?")[0]
        known = {basic(user, password): user for user, password in self.passwords.items()}
        user = known.get(self.headers.get("Authorization", ""))
        if user is None:
            self.respond(401, {"error": "missing authentication credentials"})
        elif path == "/_security/_authenticate":
            self.respond(200, {"username": user})
        elif user != "elastic":
            self.respond(403, {"error": f"{user} may not"})
        else:
            if self.command != "GET":
                print(self.command, path, flush=True)
            if path.startswith("/_security/user/") and body:
                self.passwords[path.split("/")[3]] = json.loads(body)["password"]
            self.respond(200, {"acknowledged": True, "status": "green", "version": {"number": "8.19.12"}})


class Kibana(Handler):
    """Is available, and imports whatever there is."""

    def serve(self) -> None:
        body = self.body()
        if self.path.startswith("/api/status"):
            self.respond(200, {"status": {"overall": {"level": "available"}}})
        elif not accepts("elasticsearch", self.headers.get("Authorization", "")):
            self.respond(401, {"message": "Unauthorized"})
        elif self.headers.get("kbn-xsrf") is None:
            self.respond(400, {"message": "Request must contain a kbn-xsrf header."})
        else:
            print(self.command, self.path, flush=True)
            self.respond(200, {"success": True, "successCount": body.count(b"\n"), "errors": []})


def accepts(host: str, authorization: str) -> bool:
    """Ask Elasticsearch whether it knows somebody."""
    request = urllib.request.Request(f"http://{host}:9200/_security/_authenticate")
    request.add_header("Authorization", authorization)
    try:
        with urllib.request.urlopen(request, timeout=10):
            return True
    except OSError as error:
        print(f"Elasticsearch: {error}", flush=True)
        return False


def be_elasticsearch() -> None:
    path = Path(os.environ["ELASTIC_PASSWORD_FILE"])
    assert stat.S_IMODE(path.stat().st_mode) in PASSWORD_MODES
    Elasticsearch.passwords["elastic"] = path.read_text()
    ThreadingHTTPServer(("", 9200), Elasticsearch).serve_forever()


def be_kibana() -> None:
    assert accepts("elasticsearch", basic("kibana_system", os.environ["KIBANA_SYSTEM_PASSWORD"]))
    assert len(os.environ["KIBANA_KEY_PASSWORD"]) >= 32
    ThreadingHTTPServer(("", 5601), Kibana).serve_forever()


async def be_logstash() -> None:
    from weatherd.testing.logstash import LogstashStandIn

    assert accepts("elasticsearch", basic("weatherd_logstash", os.environ["WRITER_PASSWORD"]))
    password = os.environ["STATION_PASSWORD"]
    async with LogstashStandIn("0.0.0.0", 8080, username="weatherd", password=password) as logstash:
        while True:
            print(json.dumps(logstash.counts()), flush=True)
            await asyncio.sleep(1.0)


match Path(sys.argv[0]).name:
    case "elasticsearch":
        be_elasticsearch()
    case "kibana-docker":
        be_kibana()
    case "docker-entrypoint":
        sys.exit(asyncio.run(be_logstash()))
