"""
A stand-in for the HTTP APIs of Elasticsearch and Kibana 8.19, as far as setup.py calls them; with its demands.

It knows who may come in, what a body must be, and answers as they do. Status codes and bodies are those of Elastic's
API reference ("create or update a role", "change passwords", "import saved objects", "get Kibana's status"), not
recorded from a running 8.19, which is not to be had here.
"""

import base64
import email
import email.policy
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

CLUSTER_PRIVILEGES = {"all", "monitor", "manage_index_templates", "manage_ilm", "manage_security"}
INDEX_PRIVILEGES = {"all", "auto_configure", "create_doc", "create_index", "read", "view_index_metadata", "write"}


class ElasticApi:
    """
    Both APIs on one port of loopback.

    Args:
        passwords: By user; empty where security is off.
        not_yet: How many requests to answer 503 before it is up, and how often Kibana is not available then.
        users_not_yet: How many requests to answer 401 first, as right after a start.

    Attributes:
        put: What was put, by path.
        imported: Saved objects by type and id.
        refused: How many requests were not taken.
    """

    def __init__(self, passwords: Mapping[str, str] | None = None, *, not_yet: int = 0, users_not_yet: int = 0) -> None:
        self.passwords = dict(passwords or {})
        self.put: dict[str, Any] = {}
        self.imported: dict[tuple[str, str], Any] = {}
        self.refused = 0
        self.not_yet = not_yet
        self.kibana_not_yet = not_yet
        self.users_not_yet = users_not_yet
        self.missing_references = False
        self._has_security = bool(self.passwords)
        api = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                """Say nothing."""

            def do_GET(self) -> None:
                self._answer(*api.answer("GET", self.path, self.headers, b""))

            def do_PUT(self) -> None:
                self._answer(*api.answer("PUT", self.path, self.headers, self._body()))

            def do_POST(self) -> None:
                self._answer(*api.answer("POST", self.path, self.headers, self._body()))

            def _body(self) -> bytes:
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))

            def _answer(self, status: int, answer: Any) -> None:
                api.refused += status >= 400
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        """Where both listen."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, Any]:
        """Return status and body of the answer to one request."""
        if self.not_yet:
            self.not_yet -= 1
            return 503, {"error": {"type": "master_not_discovered_exception", "reason": None}, "status": 503}
        if path == "/api/status":
            return self._kibana_status()
        if self.users_not_yet or not self._may_come_in(headers.get("Authorization")):
            self.users_not_yet -= bool(self.users_not_yet)
            return 401, _error("security_exception", "unable to authenticate user for REST request", 401)
        if path.startswith("/api/"):
            return self._kibana(method, path, headers, body)
        return self._elasticsearch(method, path, headers, body)

    def _may_come_in(self, authorization: str | None) -> bool:
        if not self._has_security:
            return True
        scheme, _, token = (authorization or "").partition(" ")
        user, _, password = base64.b64decode(token).decode().partition(":")
        return scheme == "Basic" and self.passwords.get(user) == password

    def _elasticsearch(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, Any]:
        if (method, path) == ("GET", "/"):
            return 200, {"version": {"number": "8.19.12"}, "tagline": "You Know, for Search"}
        if method == "GET":
            return 200, {}
        if headers.get("Content-Type") != "application/json":
            return 406, {"error": "Content-Type header is not supported", "status": 406}
        content = json.loads(body)
        if path.startswith("/_security/") and not self._has_security:
            return 400, {"error": f"no handler found for uri [{path}] and method [{method}]"}
        if (mistake := _mistake(path, content)) is not None:
            return 400, _error("parsing_exception", mistake, 400)
        if path.startswith("/_security/user/"):
            self.passwords[path.split("/")[3]] = content["password"]
        created = path not in self.put
        self.put[path] = content
        return 200, {"created": created} if path.startswith("/_security/") else {"acknowledged": True}

    def _kibana_status(self) -> tuple[int, Any]:
        if self.kibana_not_yet:
            self.kibana_not_yet -= 1
            return 503, {"status": {"overall": {"level": "unavailable"}}}
        return 200, {"status": {"overall": {"level": "available"}}}

    def _kibana(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, Any]:
        if "kbn-xsrf" not in headers:
            return 400, {"statusCode": 400, "message": "Request must contain a kbn-xsrf header."}
        if (method, path) != ("POST", "/api/saved_objects/_import?overwrite=true"):
            return 404, {"statusCode": 404, "message": "Not Found"}
        head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
        (part,) = email.message_from_bytes(head + body, policy=email.policy.HTTP).iter_parts()
        if part.get_param("name", header="content-disposition") != "file":
            return 400, {"statusCode": 400, "message": "[request body.file]: expected value of type [Stream]"}
        if not str(part.get_filename()).endswith(".ndjson"):
            return 400, {"statusCode": 400, "message": "Invalid file extension"}
        objects = [json.loads(line) for line in part.get_payload(decode=True).splitlines() if line.strip()]
        if self.missing_references:
            error = {"id": "panel", "type": "dashboard", "error": {"type": "missing_references", "references": []}}
            return 200, {"success": False, "successCount": 0, "errors": [error]}
        self.imported.update({(one["type"], one["id"]): one for one in objects if "type" in one})
        return 200, {"success": True, "successCount": len(objects), "successResults": []}


def _mistake(path: str, content: Any) -> str | None:
    """Return what is wrong with a body, as far as their documentation tells."""
    if path.startswith("/_ilm/policy/") and set(content) != {"policy"}:
        return "a policy is wanted"
    if path.startswith("/_index_template/") and not content.get("index_patterns"):
        return "index_patterns is wanted"
    if path.startswith("/_security/role/"):
        if not set(content) <= {"cluster", "indices", "applications", "run_as", "metadata", "description"}:
            return "unknown field"
        privileges = {name for index in content.get("indices", ()) for name in index["privileges"]}
        if not set(content.get("cluster", ())) <= CLUSTER_PRIVILEGES or not privileges <= INDEX_PRIVILEGES:
            return "unknown privilege"
    if path.startswith("/_security/user/") and len(content.get("password", "")) < 6:
        return "passwords must be at least [6] characters long"
    return None


def _error(kind: str, reason: str, status: int) -> Any:
    return {"error": {"root_cause": [], "type": kind, "reason": reason}, "status": status}
