"""What the daemon answers at its control socket; about the journal, to those who open its file themselves as well."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from weatherd.config import Config
from weatherd.control.server import Answer
from weatherd.errors import NotSent
from weatherd.journal import SqliteJournal
from weatherd.processing.documents import iso_8601
from weatherd.waiting import first_of

if TYPE_CHECKING:
    from weatherd.sensors.transmitter import Transmitter

FOLLOW_S_MAX = 30.0
"""So long who follows the journal waits for one answer; then he asks again."""

DOCUMENTS_SIZE_MAX = 1_000_000
"""Bytes of documents in one answer; a single larger one makes an answer of its own."""

REQUEUE_MAX = 1000
"""Documents that one request takes out of quarantine at most."""

_Natural = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]  # what SQLite can hold


class _AtSeq(msgspec.Struct, forbid_unknown_fields=True):
    seq: _Natural


class _Behind(msgspec.Struct, forbid_unknown_fields=True):
    behind: _Natural = 0


class _Requeue(msgspec.Struct, forbid_unknown_fields=True):
    sink: str
    seqs: Annotated[list[_Natural], msgspec.Meta(max_length=REQUEUE_MAX)]


class _Named(msgspec.Struct, forbid_unknown_fields=True):
    name: str


def answers(
    journal: SqliteJournal,
    status: Callable[[], Mapping[str, object]],
    reread: Callable[[], Config],
    stop: asyncio.Event,
    transmitter: "Transmitter | None" = None,
) -> Mapping[str, Answer]:
    """
    Return everything that a running daemon answers.

    Args:
        journal: Its own.
        status: How it is.
        reread: Reads its configuration again; on a thread, as it waits for a card.
        stop: Set when it stops: then nobody waits any more.
        transmitter: What sends by infrared; None if nothing may be sent.
    """

    async def answer_status(_: Mapping[str, Any]) -> Mapping[str, object]:
        return status()

    async def answer_check(_: Mapping[str, Any]) -> Mapping[str, object]:
        """Look for mistakes with the daemon's own eyes: credentials are shown to nobody else."""
        settings = await asyncio.to_thread(reread)
        return {"station": settings.station.id}

    return {
        "status": answer_status,
        "check": answer_check,
        "journal.follow": partial(_follow, journal, stop),
        "infrared.commands": partial(_commands, transmitter),
        "infrared.send": partial(_send, transmitter),
        **journal_answers(journal),
    }


def journal_answers(journal: SqliteJournal) -> Mapping[str, Answer]:
    """Return what an open journal answers."""
    return {
        "journal.span": partial(_span, journal),
        "journal.run": partial(_run, journal),
        "journal.quarantined": partial(_quarantined, journal),
        "journal.requeue": partial(_requeue, journal),
    }


def sending(transmitter: "Transmitter | None") -> "Transmitter":
    """Return what sends. Raises NotSent if nothing may be sent."""
    if transmitter is None:
        raise NotSent(
            "this station sends nothing by infrared",
            "add a table [infrared.commands] to weatherd.toml: docs/infrared.md",
        )
    return transmitter


async def _commands(transmitter: "Transmitter | None", _: Mapping[str, Any]) -> Mapping[str, object]:
    """Tell the names of what can be sent."""
    return {"commands": list(sending(transmitter).commands)}


async def _send(transmitter: "Transmitter | None", arguments: Mapping[str, Any]) -> Mapping[str, object]:
    """Send a command by infrared."""
    wanted = msgspec.convert(arguments, _Named)
    await sending(transmitter).send(wanted.name)
    return {"sent": wanted.name}


async def _span(journal: SqliteJournal, _: Mapping[str, Any]) -> Mapping[str, object]:
    """Tell the oldest and the newest seq; the newest is the lower one if there is no entry."""
    return {"first_seq": journal.first_seq, "last_seq": journal.last_seq}


async def _run(journal: SqliteJournal, arguments: Mapping[str, Any]) -> Mapping[str, object]:
    """Tell documents from a seq on, or from the next one that there is; nothing if there is none."""
    wanted = msgspec.convert(arguments, _AtSeq)
    run = await journal.run_at(wanted.seq)
    if run is None:
        return {}
    first_seq = max(run.first_seq, wanted.seq)
    documents: list[msgspec.Raw | None] = []
    size = 0
    for document in run.documents[first_seq - run.first_seq :]:
        size += len(document)
        if documents and size > DOCUMENTS_SIZE_MAX:
            break
        documents.append(msgspec.Raw(document) if document else None)
    return {"first_seq": first_seq, "last_seq": first_seq + len(documents) - 1, "documents": documents}


async def _follow(journal: SqliteJournal, stop: asyncio.Event, arguments: Mapping[str, Any]) -> Mapping[str, object]:
    """Wait for an entry behind a seq, and tell the newest seq and whether the daemon stops; none is a journal's end."""
    wanted = msgspec.convert(arguments, _Behind)
    if wanted.behind > journal.last_seq:
        return {"last_seq": journal.last_seq, "is_stopping": stop.is_set()}  # another journal is in its place
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FOLLOW_S_MAX):
            await first_of(journal.wait_beyond(wanted.behind), stop.wait())
    return {"last_seq": journal.last_seq, "is_stopping": stop.is_set()}


async def _quarantined(journal: SqliteJournal, arguments: Mapping[str, Any]) -> Mapping[str, object]:
    """Tell the first documents in quarantine behind one of them; none if it is the last."""
    wanted = msgspec.convert(arguments, _Behind)
    told: list[Mapping[str, object]] = []
    size = 0
    for one in await journal.quarantined_behind(wanted.behind):
        size += len(one.document)
        if told and size > DOCUMENTS_SIZE_MAX:
            break
        told.append(
            {
                "id": one.id,
                "sink": one.sink,
                "seq": one.seq,
                "reason": one.reason,
                "quarantined_at": iso_8601(one.quarantined_at_ms),
                "document": msgspec.Raw(one.document),
            }
        )
    return {"quarantined": told}


async def _requeue(journal: SqliteJournal, arguments: Mapping[str, Any]) -> Mapping[str, object]:
    """Take documents of a sink out of quarantine, to be tried again; tell how many there were."""
    wanted = msgspec.convert(arguments, _Requeue)
    return {"count": await journal.requeue(wanted.sink, wanted.seqs)}
