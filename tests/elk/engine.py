"""
A real Elasticsearch for the tests: one node of 7.17 in a process of its own, from its jars on Maven Central.

It is the search engine without what Elastic adds to it in a distribution: no lifecycle, no security, no transforms.
Types that its core has not (`scaled_float`) are those of mapper-extras.

As a program, ``python3 -m tests.elk.engine``, it fetches the jars, which takes a minute where nothing is cached yet.
"""

import contextlib
import fcntl
import hashlib
import http.client
import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build"

_QUICK_START = ("-Xms512m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.disable.jmx=true")


@dataclass(frozen=True)
class Engine:
    """
    Where Elasticsearch listens, on loopback.

    Attributes:
        port: Of its HTTP.
    """

    port: int

    @property
    def url(self) -> str:
        """What a program is given."""
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """
        Send one request; return the status and the decoded answer, None where it has no body.

        Args:
            method: ``GET``, ``PUT`` and so on.
            path: With its query, beginning with a slash.
            body: Encoded as JSON; bytes are sent as they are, as NDJSON.
        """
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        kind = "application/x-ndjson" if isinstance(body, bytes) else "application/json"
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request(method, path, content, {"Content-Type": kind})
            answer = connection.getresponse()
            read = answer.read()
        return answer.status, json.loads(read) if read else None

    def put(self, path: str, body: object = None) -> None:
        """Put something that it must take."""
        status, answer = self.ask("PUT", path, body)
        assert status == 200, answer

    def search(self, index: str, body: object) -> Any:
        """Return the answer to a search that it must understand."""
        status, answer = self.ask("POST", f"/{index}/_search", body)
        assert status == 200, answer
        return answer

    def create(self, index: str, documents: Sequence[Mapping[str, Any]]) -> list[int]:
        """
        Create documents as Logstash's output does: by one bulk request, each under its own ``event.id``.

        Args:
            index: One for all, or a month's each if it contains ``%{+yyyy.MM}``.
            documents: As the filter leaves them.

        Returns:
            The status of each: 201 created, 409 it was there already.
        """
        months = [document["@timestamp"][:7].replace("-", ".") for document in documents]
        return self.deliver(
            (index.replace("%{+yyyy.MM}", month), document["event"]["id"], document)
            for month, document in zip(months, documents, strict=True)
        )

    def deliver(self, sent: Iterable[tuple[str, str, Mapping[str, Any]]]) -> list[int]:
        """Create documents, each given with its index and its id, and return the status of each."""
        lines: list[Mapping[str, Any]] = []
        for index, id_, document in sent:
            lines += [{"create": {"_index": index, "_id": id_}}, document]
        body = "".join(json.dumps(line) + "\n" for line in lines).encode()
        status, answer = self.ask("POST", "/_bulk?refresh=true", body)
        assert status == 200, answer
        return [item["create"]["status"] for item in answer["items"]]


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Engine]:
    """
    Run a node with its data in a folder (4 s to start); it ends with its standard input, so also when we are killed.

    Raises:
        RuntimeError: If it does not start; with what it said.
    """
    errors = folder / "errors"
    command = [
        *("java", *_QUICK_START, f"-Dlog4j.configurationFile={HERE / 'log4j2.properties'}"),
        *("-cp", f"{jars()}/*", HERE / "EmbeddedElasticsearch.java", folder),
    ]
    with (
        errors.open("wb") as log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log) as node,
    ):
        assert node.stdin is not None
        assert node.stdout is not None
        try:
            port = node.stdout.readline()
            if not port:
                raise RuntimeError(f"Elasticsearch did not start: {errors.read_text()}")
            yield Engine(int(port))
        finally:
            node.stdin.close()
            try:
                node.wait(20)
            except subprocess.TimeoutExpired:
                node.kill()


def jars() -> Path:
    """Return the folder of the jars that pom.xml names, fetched at most once by whoever comes first."""
    pom = HERE / "pom.xml"
    folder = BUILD / f"elasticsearch-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
    BUILD.mkdir(exist_ok=True)
    with (BUILD / ".elasticsearch-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            made = folder.with_name(f".{os.getpid()}-{folder.name}")
            shutil.rmtree(made, ignore_errors=True)
            maven = ["mvn", "--quiet", "--batch-mode", "--file", pom, "dependency:copy-dependencies"]
            subprocess.run([*maven, f"-DoutputDirectory={made}"], check=True, timeout=300)
            made.rename(folder)
    return folder


def missing() -> str:
    """Name what a node needs and this machine has not, or return nothing."""
    return " and ".join(program for program in ("java", "mvn") if shutil.which(program) is None)


if __name__ == "__main__":
    jars()
