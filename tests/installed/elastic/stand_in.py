#!/usr/bin/env python3
"""
Stand-ins for Elasticsearch, Kibana and Logstash, as far as the start of compose.yaml needs them.

Passwords are real: Elasticsearch knows those that were set in it, and Kibana and Logstash end at once where theirs is
not among them, as a start in a wrong order would make it.
"""

import asyncio
import base64
import json
import os
import signal
import stat
import sys
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from elastic_api import ElasticApi

from weatherd.testing.logstash import LogstashStandIn

PASSWORD_MODES = (0o400, 0o600)
"""Elasticsearch takes no password file of another mode (`elasticsearch-env-from-file` in its image)."""


def be_elasticsearch() -> None:
    """Know the superuser, and everybody whom the superuser makes."""
    path = Path(os.environ["ELASTIC_PASSWORD_FILE"])
    assert stat.S_IMODE(path.stat().st_mode) in PASSWORD_MODES
    api = ElasticApi({"elastic": path.read_text()})
    serve(9200, lambda handler: api.answer(handler.command, handler.path, handler.headers, body_of(handler)))


def be_kibana() -> None:
    """Import saved objects for those whom Elasticsearch knows."""
    assert is_known(basic("kibana_system", os.environ["KIBANA_SYSTEM_PASSWORD"]))
    assert len(os.environ["KIBANA_KEY_PASSWORD"]) >= 32
    api = ElasticApi()

    def answer(handler: BaseHTTPRequestHandler) -> tuple[int, object]:
        body = body_of(handler)
        if handler.path != "/api/status" and not is_known(handler.headers.get("Authorization", "")):
            return 401, {"message": "Unauthorized"}
        return api.answer(handler.command, handler.path, handler.headers, body)

    serve(5601, answer)


def be_logstash() -> None:
    """Take documents from stations that know the password; tell the counts each second."""
    assert is_known(basic("weatherd_logstash", os.environ["WRITER_PASSWORD"]))
    asyncio.run(take_documents(os.environ["STATION_PASSWORD"]))


async def take_documents(password: str) -> None:
    async with LogstashStandIn("0.0.0.0", 8080, username="weatherd", password=password) as logstash:
        while True:
            tell(logstash.counts())
            await asyncio.sleep(1.0)


def serve(port: int, answer: Callable[[BaseHTTPRequestHandler], tuple[int, object]]) -> None:
    """Serve for ever; each request but a GET is told."""

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            status, content = answer(self)
            if self.command != "GET":
                tell({"method": self.command, "path": self.path, "status": status})
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        do_GET = do_POST = do_PUT = respond  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing else."""

    ThreadingHTTPServer(("", port), Handler).serve_forever()


def body_of(handler: BaseHTTPRequestHandler) -> bytes:
    return handler.rfile.read(int(handler.headers.get("Content-Length", 0)))


def is_known(authorization: str) -> bool:
    """Ask Elasticsearch whether it knows somebody."""
    request = urllib.request.Request("http://elasticsearch:9200/_security/_authenticate")
    request.add_header("Authorization", authorization)
    try:
        with urllib.request.urlopen(request, timeout=10):
            return True
    except OSError as error:
        tell({"elasticsearch": str(error)})
        return False


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def tell(what: object) -> None:
    print(json.dumps(what), flush=True)  # noqa: T201


# The first process of a container is not ended by a signal that it does not handle.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
match Path(sys.argv[0]).name:
    case "elasticsearch":
        be_elasticsearch()
    case "kibana-docker":
        be_kibana()
    case "docker-entrypoint":
        be_logstash()
