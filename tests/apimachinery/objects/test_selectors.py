import pytest

from apimachinery.objects.selectors import (
    NOTHING,
    from_label_selector,
    from_labels,
    parse_field_selector,
    parse_label_selector,
)

LABELS = {"app": "web", "tier": "front", "weight": "10", "example.com/owner": "ann"}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        pytest.param("", True, id="empty matches everything"),
        pytest.param("app=web", True, id="equals"),
        pytest.param("app==web", True, id="double equals"),
        pytest.param("app = web , tier != back", True, id="spaces do not matter"),
        pytest.param("app!=web", False, id="not equal"),
        pytest.param("missing!=x", True, id="a missing label is not equal"),
        pytest.param("app in (web, api),tier", True, id="in and exists"),
        pytest.param("app notin (web)", False, id="notin"),
        pytest.param("missing notin (x)", True, id="a missing label is not in"),
        pytest.param("!app", False, id="absent"),
        pytest.param("!missing", True, id="absent and so it is"),
        pytest.param("weight>9,weight<11", True, id="numbers"),
        pytest.param("app>9", False, id="no number is greater than nothing"),
        pytest.param("example.com/owner=ann", True, id="prefixed key"),
        pytest.param("app=", False, id="empty value"),
    ],
)
def test_label_selector_matches_as_upstream(text: str, matches: bool):
    assert parse_label_selector(text).matches(LABELS) is matches


@pytest.mark.parametrize("text", ["a=b,", "=b", "a in b", "a in (b", "-a", "a>x", "a b", "(a)"])
def test_bad_label_selector_is_refused(text: str):
    with pytest.raises(ValueError):
        parse_label_selector(text)


def test_label_selector_prints_what_parses_to_the_same():
    selector = parse_label_selector("a=b,c!=d,e in (g,f),h notin (i),j,!k,l>1")
    assert str(selector) == "a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1"
    assert parse_label_selector(str(selector)) == selector


def test_selector_object_combines_labels_and_expressions():
    selector = from_label_selector(
        {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["back"]}]}
    )
    assert selector.matches(LABELS)
    assert not selector.matches({**LABELS, "tier": "back"})


def test_absent_selector_object_selects_nothing_and_an_empty_one_everything():
    assert from_label_selector(None) is NOTHING
    assert not from_label_selector(None).matches(LABELS)
    assert from_label_selector({}).matches({})
    assert from_labels({}).everything


def test_field_selector_terms_and_escapes():
    selector = parse_field_selector(r"metadata.name=a\,b,status.phase!=Running")
    assert selector.matches({"metadata.name": "a,b", "status.phase": "Pending"})
    assert not selector.matches({"metadata.name": "a,b", "status.phase": "Running"})
    assert selector.required_value("metadata.name") == "a,b"
    assert selector.unknown(["metadata.name"]) == "status.phase"
    assert parse_field_selector(str(selector)) == selector


def test_field_selector_without_operator_is_refused():
    with pytest.raises(ValueError, match="invalid selector: 'status.phase'"):
        parse_field_selector("status.phase")
