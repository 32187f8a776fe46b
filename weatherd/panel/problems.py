"""What is wrong with a request, told as `application/problem+json` (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

CONTENT_TYPE = "application/problem+json"


class Problem(Exception):
    """
    A request that is not answered as it wishes.

    Args:
        status: Of HTTP, 400 to 599.
        kind: A name for programs, such as ``history.step_too_short``.
        detail: A sentence for people, without a full stop.
        headers: More of the answer's.
    """

    def __init__(self, status: int, kind: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.headers = headers or {}

    def body(self) -> Mapping[str, Any]:
        """Return the fields of the answer."""
        title = HTTPStatus(self.status).phrase
        return {"type": self.kind, "title": title, "status": self.status, "detail": self.detail}


def bad(detail: str, kind: str = "request.invalid") -> Problem:
    """Return what to raise where a parameter is wrong."""
    return Problem(HTTPStatus.BAD_REQUEST, kind, detail)
