import pytest

from tests.elk.kql import Combined, Is, Range, fields, parse, query_of


@pytest.mark.parametrize(
    ("query", "tree"),
    [
        ("a.b: *", Is("a.b", None)),
        ('a: "x y"', Is("a", '"x y"')),
        ("a: false", Is("a", "false")),
        ("a >= 337.5", Range("a", "gte", 337.5)),
        ('a: ("x" or "y")', Combined("or", [Is("a", '"x"'), Is("a", '"y"')])),
        ("not a: *", Combined("not", [Is("a", None)])),
        ("a: * and not b: *", Combined("and", [Is("a", None), Combined("not", [Is("b", None)])])),
        ("a: * or b: * and c: *", Combined("or", [Is("a", None), Combined("and", [Is("b", None), Is("c", None)])])),
        ("(a: * or b: *) and c: *", Combined("and", [Combined("or", [Is("a", None), Is("b", None)]), Is("c", None)])),
    ],
)
def test_a_query_is_read_as_kibana_reads_it(query: str, tree: object) -> None:
    """`and` binds closer than `or`, `not` closest; a list is one field with several values."""
    assert parse(query) == tree


@pytest.mark.parametrize("query", ["", "a", "a:", 'a: "x', "a: * b: *", "a: (*", "a >= high", "a = 1 and"])
def test_what_is_no_query_is_refused(query: str) -> None:
    """A query that is cut off or of another language does not pass for one."""
    with pytest.raises(ValueError, match=r"."):
        parse(query)


def test_a_wildcard_asks_each_field_that_it_matches() -> None:
    """It stands for the fields of the data view, one of which must match; without any, nothing does."""
    asked = query_of(parse('quality.*: "good"'), ["quality.a", "quality.b", "weather.a"])
    each = [{"match_phrase": {f"quality.{name}": "good"}} for name in "ab"]
    assert asked == {"bool": {"should": each, "minimum_should_match": 1}}


def test_a_query_names_its_fields() -> None:
    """Each field of each part is found."""
    assert list(fields(parse('a: * and not b: ("x" or "y") or c < 3'))) == ["a", "b", "b", "c"]
