from tests.elk.engine import Engine


def test_an_embedded_node_keeps_one_document_for_each_id(elasticsearch: Engine) -> None:
    """A document created a second time is refused with 409, and stays the only one."""
    document = {"@timestamp": "2026-11-23T15:14:10.000Z", "event": {"id": "test-00000000-000000000001"}}
    assert elasticsearch.create("one-%{+yyyy.MM}", [document]) == [201]
    assert elasticsearch.create("one-%{+yyyy.MM}", [document]) == [409]
    assert elasticsearch.search("one-2026.11", {})["hits"]["total"]["value"] == 1
