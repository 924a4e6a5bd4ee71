"""The pure parts of the API server, case by case."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimachinery.objects.errors import BadRequest, Invalid, MethodNotAllowed, NotAcceptable, StatusError
from engine.apiserver import deletion, wire
from engine.apiserver.allocators import AddressPool, Pool
from engine.apiserver.deletion import DeleteRequest
from engine.apiserver.negotiate import Form, form_of
from engine.apiserver.registry.catalog import KINDS, by_resource
from engine.apiserver.registry.kind import Context
from engine.apiserver.request import NO_QUERY, Query
from engine.apiserver.route import Route, parse
from engine.apiserver.selection import selection_of
from engine.apiserver.tables import human_duration
from engine.apiserver.versions import continue_token, page_of
from engine.apiserver.watching import watch_options
from engine.store.protocol import Record

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        pytest.param("GET", "/api/v1/pods", "", Route("list", "", "v1", "pods"), id="list-everywhere"),
        pytest.param("GET", "/api/v1/namespaces/x/pods/y", "", Route("get", "", "v1", "pods", "x", "y"), id="get"),
        pytest.param("GET", "/api/v1/namespaces/x", "", Route("get", "", "v1", "namespaces", "", "x"), id="namespace"),
        pytest.param(
            "PUT", "/api/v1/namespaces/x/status", "", Route("update", "", "v1", "namespaces", "", "x", "status"),
            id="namespace-status",
        ),
        pytest.param(
            "GET", "/apis/apps/v1/namespaces/x/deployments", "watch=true",
            Route("watch", "apps", "v1", "deployments", "x"), id="watch",
        ),
        pytest.param(
            "GET", "/apis/apps/v1/deployments", "watch=false", Route("list", "apps", "v1", "deployments"), id="no-watch"
        ),
        pytest.param(
            "POST", "/api/v1/namespaces/x/pods/y/binding", "", Route("create", "", "v1", "pods", "x", "y", "binding"),
            id="binding",
        ),
        pytest.param(
            "GET", "/api/v1/nodes/n/proxy/a/b", "", Route("get", "", "v1", "nodes", "", "n", "proxy", "a/b"), id="rest"
        ),
        pytest.param("GET", "/api/v1/nodes/a%2Fb", "", Route("get", "", "v1", "nodes", "", "a/b"), id="escaped"),
        pytest.param("DELETE", "/api/v1/nodes/", "", Route("deletecollection", "", "v1", "nodes"), id="slash"),
        pytest.param("GET", "/api/v1", "", None, id="discovery"),
        pytest.param("GET", "/apis/apps/v1", "", None, id="group-discovery"),
        pytest.param("GET", "/healthz", "", None, id="health"),
    ],
)  # fmt: skip
def test_paths_become_routes(method: str, path: str, query: str, expected: Route | None) -> None:
    assert parse(method, path, Query.parse(query)) == expected


def test_methods_that_fit_no_place_are_refused() -> None:
    with pytest.raises(MethodNotAllowed):
        parse("PATCH", "/api/v1/pods", NO_QUERY)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        pytest.param("", Form(), id="nothing"),
        pytest.param("*/*", Form(), id="anything"),
        pytest.param("application/vnd.kubernetes.protobuf,application/json", Form(), id="protobuf-or-json"),
        pytest.param("application/yaml", Form(), id="yaml"),
        pytest.param("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", Form("table"), id="table"),
        pytest.param("application/json;as=Table;v=v9;g=meta.k8s.io, application/json", Form(), id="unknown-table"),
        pytest.param(
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
            Form("partial", of_list=True),
            id="partial",
        ),
    ],
)
def test_first_acceptable_form_is_chosen(accept: str, form: Form) -> None:
    assert form_of(accept, NO_QUERY) == form


def test_forms_that_we_do_not_have_are_refused() -> None:
    with pytest.raises(NotAcceptable):
        form_of("text/html", NO_QUERY)
    with pytest.raises(BadRequest):
        form_of("application/json;as=Table;v=v1;g=meta.k8s.io", Query.parse("includeObject=All"))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"), (0, "0s"), (119, "119s"), (120, "2m"), (125, "2m5s"), (599, "9m59s"), (600, "10m"),
        (10799, "179m"), (10800, "3h"), (11000, "3h3m"), (28800, "8h"), (172799, "47h"), (172800, "2d"),
        (180000, "2d2h"), (691200, "8d"), (63072000, "2y"), (70000000, "2y80d"), (260000000, "8y"),
    ],
)  # fmt: skip
def test_ages_are_worded_as_upstream_does(seconds: int, text: str) -> None:
    assert human_duration(seconds) == text


@pytest.mark.parametrize(
    ("query", "error"),
    [
        pytest.param("resourceVersion=x", "invalid syntax", id="no-number"),
        pytest.param("resourceVersionMatch=Exact", "is forbidden unless resourceVersion is provided", id="no-version"),
        pytest.param("resourceVersion=0&resourceVersionMatch=Exact", 'forbidden for resourceVersion "0"', id="exact-0"),
        pytest.param("resourceVersion=1&resourceVersionMatch=Newer", "Unsupported value", id="unknown-match"),
        pytest.param("limit=x", "invalid syntax", id="limit"),
        pytest.param("continue=nonsense", "continue key is not valid", id="token"),
    ],
)
def test_wrong_list_options_are_named(query: str, error: str) -> None:
    with pytest.raises(StatusError, match=error):
        page_of(Query.parse(query))


@given(st.integers(1, 1 << 62), st.from_regex(r"[a-z0-9][a-z0-9.-]{0,20}(/[a-z0-9][a-z0-9.-]{0,20})?", fullmatch=True))
def test_continue_tokens_come_back_as_they_went(revision: int, key: str) -> None:
    page = page_of(Query([("continue", continue_token(revision, key)), ("limit", "5")]))
    assert (page.revision, page.start_after, page.limit) == (revision, key, 5)


def test_initial_events_need_a_version_match() -> None:
    with pytest.raises(Invalid, match="sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"):
        watch_options(Query.parse("sendInitialEvents=true"))
    wanted = watch_options(Query.parse("sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=5"))
    assert wanted.initial
    assert not wanted.initial_end


@given(
    st.dictionaries(st.sampled_from(["name", "uid", "x"]), st.text(), min_size=1),
    st.dictionaries(st.text(), st.text()),
    st.integers(1, 1 << 62),
    st.integers(1, 1 << 62),
)
def test_versions_are_spliced_in_and_replaced(
    metadata: dict[str, Any], rest: dict[str, Any], first: int, second: int
) -> None:
    inner = {"template": {"metadata": {"resourceVersion": "trap"}}}
    obj = {"spec": inner, **rest, "kind": "K", "metadata": metadata, "apiVersion": "v1"}
    value = wire.with_revision(wire.encode(obj), first)
    expected = {**obj, "metadata": {**metadata, "resourceVersion": str(first)}}
    assert msgspec.json.decode(value) == expected
    expected["metadata"]["resourceVersion"] = str(second)
    assert msgspec.json.decode(wire.at_revision(Record("k", value, first), second)) == expected


class TestDeletion:
    def mark(self, plural: str, obj: dict[str, Any], **request: Any) -> str:
        kind = by_resource("", "v1", plural)
        assert kind is not None
        return deletion.mark(kind, obj, DeleteRequest(**request), Context(now=NOW))

    def test_plain_object_is_gone_at_once(self) -> None:
        assert self.mark("configmaps", {"metadata": {"name": "a"}}) == "gone"

    def test_finalizers_keep_an_object_marked(self) -> None:
        obj: dict[str, Any] = {"metadata": {"name": "a", "finalizers": ["x/y"]}}
        assert self.mark("configmaps", obj) == "marked"
        assert obj["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:00Z"
        assert self.mark("configmaps", obj) == "unchanged"

    def test_pod_on_a_node_gets_its_grace_and_a_later_request_may_only_shorten_it(self) -> None:
        pod: dict[str, Any] = {
            "metadata": {"name": "a"},
            "spec": {"nodeName": "n", "terminationGracePeriodSeconds": 30},
            "status": {"phase": "Running"},
        }
        assert self.mark("pods", pod) == "marked"
        assert pod["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:30Z"
        assert self.mark("pods", pod, grace_period_seconds=60) == "unchanged"
        assert self.mark("pods", pod, grace_period_seconds=5) == "marked"
        assert pod["metadata"]["deletionGracePeriodSeconds"] == 5
        assert self.mark("pods", pod, grace_period_seconds=0) == "gone"

    def test_unplaced_pod_is_gone_at_once(self) -> None:
        pod = {"metadata": {"name": "a"}, "spec": {"terminationGracePeriodSeconds": 30}}
        assert self.mark("pods", pod) == "gone"

    def test_background_takes_back_an_earlier_orphan(self) -> None:
        obj = {"metadata": {"name": "a", "finalizers": ["orphan"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}
        assert self.mark("configmaps", obj, propagation="Background") == "gone"

    def test_earlier_word_on_dependents_stands_when_none_is_given(self) -> None:
        obj = {"metadata": {"name": "a", "finalizers": ["foregroundDeletion"]}}
        assert self.mark("configmaps", obj) == "marked"


def test_pool_gives_every_value_once_and_takes_it_back() -> None:
    pool = Pool(10, 14, reserved=2)
    assert {pool.allocate_next() for _ in range(5)} == {"10", "11", "12", "13", "14"}
    assert pool.allocate_next() is None
    pool.release("12")
    assert pool.allocate("12")
    assert not pool.allocate("12")
    assert not pool.allocate("15")


def test_address_pool_knows_its_network() -> None:
    pool = AddressPool("10.43.0.0/16")
    assert pool.contains("10.43.0.1")
    assert not pool.contains("10.43.0.0")
    assert not pool.contains("10.44.0.1")
    assert not pool.contains("None")
    # The lowest addresses stay for those who ask for them.
    assert not any((pool.allocate_next() or "").startswith("10.43.0.") for _ in range(100))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.group_resource)
def test_every_kind_can_be_selected_by_name(kind: Any) -> None:
    assert selection_of(kind, "x", "", Query.parse("fieldSelector=metadata.name=a")).fields.terms


def test_address_pool_takes_networks_in_and_lets_them_go() -> None:
    pool = AddressPool("10.43.0.0/30")
    assert {pool.allocate_next(), pool.allocate_next()} == {"10.43.0.1", "10.43.0.2"}
    assert pool.allocate_next() is None
    pool.lend("more", ("fd00::/112", "10.50.0.0/31", "10.50.0.0/30"))
    assert pool.allocate_next() in {"10.50.0.1", "10.50.0.2"}
    pool.withhold("10.50.0.1")
    pool.withhold("10.50.0.2")
    assert pool.allocate_next() is None
    pool.give_back("10.50.0.2")
    pool.lend("more", ())
    assert not pool.contains("10.50.0.2")
