import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.elk import logstash_config
from tests.elk.day import PIPELINE, Day, through_the_filter
from weatherd.testing import logstash_codec

# What each plugin of Logstash 8.19 takes, as far as we use it; from the plugins' documentation.
OPTIONS = {
    "http": {
        *("port", "ecs_compatibility", "user", "password", "ssl_enabled", "ssl_certificate", "ssl_key"),
        *("ssl_client_authentication", "ssl_certificate_authorities"),
    },
    "elasticsearch": {
        *("hosts", "user", "password", "ssl_certificate_authorities", "index", "document_id", "action"),
        *("silence_errors_in_log", "data_stream", "manage_template", "ilm_enabled"),
    },
    "mutate": {"add_field", "remove_field", "add_tag"},
    "uuid": {"target"},
    "dead_letter_queue": {"path", "pipeline_id", "commit_offsets"},
    "stdout": {"codec"},
}
INPUTS = ("open", "password", "tls", "mtls")
OUTPUTS = ("open", "password", "tls")

OURS: Mapping[str, Any] = {
    "@timestamp": "2026-11-23T15:14:10.000Z",
    "event": {
        "id": "porto-alegre-01-3f9c2a71-000000000123",
        "dataset": "weatherd.observation",
        "created": "2026-11-23T15:14:10.412Z",
    },
    "station": {"id": "porto-alegre-01"},
}


def of_body(body: bytes, content_type: str = "application/json") -> list[dict[str, Any]]:
    """Return the events that Logstash's input makes of a body."""
    events = logstash_codec.decode(body, content_type, "2026-11-23T16:00:00.000Z")
    return [{"@timestamp": "2026-11-23T16:00:00.000Z", **json.loads(bytes(event.raw))} for event in events]


@pytest.mark.parametrize("path", sorted(PIPELINE.glob("*.conf")), ids=lambda path: path.name)
def test_a_file_of_the_pipeline_can_be_read(path: Path) -> None:
    """It is balanced, in ASCII, and has only plugins and options that there are."""
    sections = logstash_config.read(path)
    for plugin in (plugin for blocks in sections.values() for plugin in logstash_config.plugins(blocks)):
        assert set(plugin.options) <= OPTIONS[plugin.name]


def test_each_choice_of_the_pipeline_is_a_file() -> None:
    """Together with the filter each input and each output is one pipeline, and no file is left over."""
    chosen = {*(f"input-{name}.conf" for name in INPUTS), *(f"output-{name}.conf" for name in OUTPUTS)}
    assert {path.name for path in PIPELINE.glob("*.conf")} == {*chosen, "weatherd.conf", "dead-letters.conf"}
    pattern = re.search(r'path.config: "(.*)"', (PIPELINE / "pipelines.yml").read_text())
    assert pattern is not None
    assert pattern[1].endswith(
        "/{input-${STATION_INPUT:password},weatherd,output-${ELASTICSEARCH_OUTPUT:password}}.conf"
    )


def test_the_outputs_differ_only_in_how_they_reach_elasticsearch() -> None:
    """Whatever the way, documents are created under their own id, and nothing else is managed."""
    ways = {"hosts", "user", "password", "ssl_certificate_authorities"}
    options = [
        next(logstash_config.plugins(logstash_config.read(PIPELINE / f"output-{name}.conf")["output"])).options
        for name in OUTPUTS
    ]
    same = [{name: value for name, value in one.items() if name not in ways} for one in options]
    assert same[0] == same[1] == same[2]
    assert same[0]["action"] == "create"
    assert same[0]["manage_template"] == same[0]["ilm_enabled"] == same[0]["data_stream"] == "false"


def test_every_variable_is_in_the_documentation() -> None:
    """Whoever installs the pipeline finds each variable, and none that does not exist."""
    used = {name for path in PIPELINE.iterdir() for name in re.findall(r"\$\{([A-Z_]+)", path.read_text())}
    table = Path("docs/elk.md").read_text().partition("## The pipeline")[2].partition("## An index a month")[0]
    named = set(re.findall(r"`((?:STATION|WRITER|ELASTICSEARCH)_[A-Z]+)`", table))
    assert named == used - {"DEAD_LETTERS"}


def test_no_password_is_in_the_kit() -> None:
    """Passwords come from the environment, or Logstash's keystore, alone."""
    for path in PIPELINE.glob("*.conf"):
        for blocks in logstash_config.read(path).values():
            for plugin in logstash_config.plugins(blocks):
                assert re.fullmatch(r"\$\{\w+_PASSWORD\}", plugin.options.get("password", "${NO_PASSWORD}"))


def test_a_document_leaves_the_filter_as_the_station_sent_it(day: Day) -> None:
    """Every field that Logstash added is gone, nothing else is, and each goes to the index of its month by its id."""
    assert all(
        "host" in event and "http" in event for event in day.events if event["event"]["id"] in day.documents_by_id
    )
    sent = {one.id: one for one in day.sent}
    assert len(sent) == len(day.sent) == len(day.events)
    for id_, document in day.documents_by_id.items():
        assert sent[id_].document == document
    for one in day.sent:
        assert one.id == one.document["event"]["id"]
        assert one.index == f"weatherd-{one.document['@timestamp'][:7].replace('-', '.')}"


def test_a_body_of_one_document_loses_its_copy() -> None:
    """Logstash's `event.original` goes, and the other fields of `event` stay."""
    sent = through_the_filter({**OURS, "event": {**OURS["event"], "original": "{}"}})
    assert sent.index == "weatherd-2026.11"
    assert sent.document == OURS


@pytest.mark.parametrize(
    ("body", "tag"),
    [
        (b"", "_weatherd_foreign"),
        (b"{}", "_weatherd_foreign"),
        (b'[{"@timestamp": "2026-11-23T15:14:10Z"', "_weatherd_unreadable"),
        (b"[NaN]", "_weatherd_unreadable"),
        (b"17", "_weatherd_unreadable"),
        (b'[{"host": "pi"}]', "_weatherd_unreadable"),
        (json.dumps({**OURS, "@timestamp": "yesterday"}).encode(), "_weatherd_unreadable"),
        (json.dumps({**OURS, "@timestamp": "9999-12-31T00:00:00Z"}).encode(), "_weatherd_wrong_time"),
        (json.dumps({**OURS, "station": {"id": 7}}).encode(), "_weatherd_foreign"),
        (json.dumps({**OURS, "station": {"id": "a\nb"}}).encode(), "_weatherd_foreign"),
        (json.dumps({**OURS, "event": {**OURS["event"], "dataset": "system.cpu"}}).encode(), "_weatherd_foreign"),
        (json.dumps({**OURS, "event": {**OURS["event"], "id": "7"}}).encode(), "_weatherd_foreign"),
        (json.dumps({**OURS, "event": {"dataset": "weatherd.event"}}).encode(), "_weatherd_foreign"),
    ],
)
def test_what_is_not_ours_is_tagged_and_kept_apart(body: bytes, tag: str) -> None:
    """It goes to an index of its own under an id of its own, with every field that came; it is no weather."""
    (event,) = of_body(body)
    one, other = through_the_filter(event), through_the_filter(event)
    assert one.index == other.index == "foreign-weatherd"
    assert tag in one.document["tags"]
    assert one.id != other.id
    assert re.fullmatch(r"[0-9a-f-]{36}", one.id)
    assert {**one.document, "tags": event.get("tags")} == {"@version": "1", "tags": None, **event}


def test_text_that_is_no_json_is_kept_apart() -> None:
    """Another content type makes an event of text, and it is not ours."""
    (event,) = of_body(b"hello", "text/plain")
    sent = through_the_filter(event)
    assert (sent.index, sent.document["message"]) == ("foreign-weatherd", "hello")


def test_a_newer_station_is_understood() -> None:
    """A dataset and a field that this version does not know are weather all the same."""
    newer = {**OURS, "event": {**OURS["event"], "dataset": "weatherd.forecast"}, "sky": {"cover": 3}}
    assert through_the_filter(newer) == ("weatherd-2026.11", OURS["event"]["id"], newer)


@pytest.mark.parametrize(
    "text",
    [
        "filter { mutate { add_tag => [",
        "filter { if [a] =~ { } }",
        "filters { }",
        "filter { mutate { a => 1 a => 2 } }",
    ],
)
def test_a_mistake_in_a_file_is_found(tmp_path: Path, text: str) -> None:
    """What Logstash would refuse is refused here, too."""
    (tmp_path / "wrong.conf").write_text(text)
    with pytest.raises(ValueError, match=r"where|section|twice"):
        logstash_config.read(tmp_path / "wrong.conf")
