"""What lists, watches and writes answer on the wire, in upstream's words."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from apimachinery.objects.resources import NAMESPACES
from tests.engine.apiserver.wire import APPLY, JSON, JSON_PATCH, MERGE, STRATEGIC, Caller, calling
from tests.engine.conftest import RunningEngine

pytestmark = pytest.mark.asyncio(loop_scope="module")

Json = dict[str, Any]
_numbers = itertools.count(1)
LIST_OPTIONS = 'ListOptions.meta.k8s.io "" is invalid: '


@pytest_asyncio.fixture(loop_scope="module")
async def call(shared_engine: RunningEngine) -> AsyncIterator[Caller]:
    async with calling(shared_engine) as caller:
        yield caller


@pytest_asyncio.fixture(loop_scope="module")
async def maps(shared_engine: RunningEngine) -> str:
    """The path of the ConfigMaps of a namespace that is this test's own."""
    name = f"wire-{next(_numbers)}"
    namespace: Json = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    await shared_engine.client.create(NAMESPACES, namespace)
    return f"/api/v1/namespaces/{name}/configmaps"


def config_map(name: str, labels: dict[str, str] | None = None, **data: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, **({"labels": labels} if labels else {})},
        "data": data,
    }


def names(listed: Json) -> list[str]:
    return [item["metadata"]["name"] for item in listed["items"]]


# Lists.


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        pytest.param(
            "resourceVersion=abc",
            400,
            'invalid resource version: resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": '
            "invalid syntax",
            id="version",
        ),
        pytest.param("limit=abc", 400, 'strconv.ParseInt: parsing "abc": invalid syntax', id="limit"),
        pytest.param("continue=%3C%3E", 400, "invalid continue token: continue key is not valid: ", id="continue"),
        pytest.param(
            "resourceVersionMatch=Exact",
            422,
            f"{LIST_OPTIONS}resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion "
            "is provided",
            id="match-without-version",
        ),
        pytest.param(
            "resourceVersion=0&resourceVersionMatch=Exact",
            422,
            f'{LIST_OPTIONS}resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for '
            'resourceVersion "0"',
            id="exactly-nothing",
        ),
        pytest.param(
            "resourceVersion=1&resourceVersionMatch=Newer",
            422,
            f'{LIST_OPTIONS}resourceVersionMatch: Unsupported value: "Newer": supported values: "Exact", '
            '"NotOlderThan", ""',
            id="unknown-match",
        ),
        pytest.param(
            "sendInitialEvents=true",
            422,
            f"{LIST_OPTIONS}sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list",
            id="initial-events",
        ),
        pytest.param("fieldSelector=data.x%3D1", 400, "field label not supported: data.x", id="field-selector"),
        pytest.param(
            "fieldSelector=metadata.name",
            400,
            "invalid selector: 'metadata.name'; can't understand 'metadata.name'",
            id="no-field-selector",
        ),
        pytest.param(
            "labelSelector=a%20b", 400, "unable to parse requirement: found 'b', expected: ", id="label-selector"
        ),
        pytest.param(
            "watch=1&resourceVersionMatch=NotOlderThan",
            422,
            f"{LIST_OPTIONS}resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless "
            "sendInitialEvents is provided",
            id="watch-match",
        ),
        pytest.param(
            "watch=1&sendInitialEvents=true",
            422,
            f"{LIST_OPTIONS}resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch "
            "to NotOlderThan",
            id="watch-initial-events",
        ),
        pytest.param(
            "watch=1&resourceVersion=abc",
            422,
            'configmaps "" is invalid: resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": '
            "invalid syntax",
            id="watch-version",
        ),
        pytest.param("watch=1&timeoutSeconds=x", 400, 'strconv.ParseInt: parsing "x": invalid syntax', id="timeout"),
    ],
)
async def test_a_list_that_cannot_be_given_says_why(
    call: Caller, maps: str, query: str, code: int, message: str
) -> None:
    status, _, said = (await call(f"{maps}?{query}")).refusal
    assert status == code
    assert said.startswith(message)


async def test_a_list_from_the_future_is_to_be_asked_for_again(call: Caller, maps: str) -> None:
    got = await call(f"{maps}?resourceVersion=99999999")
    code, reason, message = got.refusal
    assert (code, reason, got.headers["retry-after"]) == (504, "Timeout", "1")
    assert message.startswith("Timeout: Too large resource version: 99999999, current: ")
    assert got.json["details"] == {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }


async def test_pages_show_one_moment_and_count_what_remains(call: Caller, maps: str) -> None:
    for name in "abcde":
        await call(maps, "POST", config_map(name))
    first = (await call(f"{maps}?limit=2")).json
    await call(f"{maps}/c", "DELETE")
    await call(maps, "POST", config_map("bb"))
    pages, page = [first], first
    while token := page["metadata"].get("continue"):
        page = (await call(f"{maps}?limit=2&continue={token}")).json
        pages.append(page)
    assert [names(page) for page in pages] == [["a", "b"], ["c", "d"], ["e"]]
    assert [page["metadata"].get("remainingItemCount") for page in pages] == [3, 1, None]
    assert len({page["metadata"]["resourceVersion"] for page in pages}) == 1
    selected = (await call(f"{maps}?limit=1&labelSelector=!x")).json
    assert "remainingItemCount" not in selected["metadata"]
    got = await call(f"{maps}?resourceVersion=1&continue={first['metadata']['continue']}")
    assert got.refusal == (400, "BadRequest", "specifying resource version is not allowed when using continue")


async def test_a_token_of_a_forgotten_moment_leads_to_an_inconsistent_rest(
    call: Caller, maps: str, shared_engine: RunningEngine
) -> None:
    for name in "abc":
        await call(maps, "POST", config_map(name))
    first = (await call(f"{maps}?limit=1")).json["metadata"]
    await call(f"{maps}/b", "DELETE")
    await call(maps, "POST", config_map("d"))
    store = shared_engine.api.pipe._store
    await store.compact(store.revision)
    got = await call(f"{maps}?limit=1&continue={first['continue']}")
    code, reason, message = got.refusal
    assert (code, reason) == (410, "Expired")
    assert message.startswith("The provided continue parameter is too old to display a consistent list result.")
    rest = (await call(f"{maps}?continue={got.json['metadata']['continue']}")).json
    assert names(rest) == ["c", "d"]
    got = await call(f"{maps}?resourceVersion={first['resourceVersion']}&resourceVersionMatch=Exact")
    assert got.refusal == (410, "Expired", "The resourceVersion for the provided list is too old.")


async def test_a_list_shows_exactly_the_moment_asked_for_or_a_later_one(call: Caller, maps: str) -> None:
    made = (await call(maps, "POST", config_map("a"))).json["metadata"]["resourceVersion"]
    await call(maps, "POST", config_map("b"))
    exact = (await call(f"{maps}?resourceVersion={made}&resourceVersionMatch=Exact")).json
    assert (names(exact), exact["metadata"]["resourceVersion"]) == (["a"], made)
    later = (await call(f"{maps}?resourceVersion={made}&resourceVersionMatch=NotOlderThan")).json
    assert names(later) == ["a", "b"]
    assert names((await call(f"{maps}?resourceVersion=0")).json) == ["a", "b"]


async def test_parameters_that_nobody_knows_are_ignored(call: Caller, maps: str) -> None:
    assert (await call(f"{maps}?nobody=knows&limit=-1")).status == 200


async def test_a_collection_goes_by_its_selectors(call: Caller, maps: str) -> None:
    for name, labels in (("a", {"x": "1"}), ("b", {"x": "2"}), ("c", {"x": "1"}), ("d", {})):
        await call(maps, "POST", config_map(name, labels))
    assert names((await call(f"{maps}?labelSelector=x%3D1&dryRun=All", "DELETE")).json) == ["a", "c"]
    gone = (await call(f"{maps}?labelSelector=x%3D1", "DELETE")).json
    assert (gone["kind"], names(gone)) == ("ConfigMapList", ["a", "c"])
    assert names((await call(maps)).json) == ["b", "d"]
    await call(f"{maps}?fieldSelector=metadata.name%3Dd", "DELETE")
    assert names((await call(maps)).json) == ["b"]


# Writes.


@pytest.mark.parametrize(
    ("method", "kind"), [("POST", "CreateOptions"), ("PUT", "UpdateOptions"), ("PATCH", "PatchOptions")]
)
async def test_options_of_writes_are_judged(call: Caller, maps: str, method: str, kind: str) -> None:
    path, headers = (maps, {}) if method == "POST" else (f"{maps}/a", {})
    if method == "PATCH":
        headers = {"content_type": MERGE}
    await call(maps, "POST", config_map("a"))
    for query, problem in (
        ("dryRun=Some", 'dryRun: Unsupported value: ["Some"]: supported values: "All"'),
        (
            "fieldValidation=Loose",
            'fieldValidation: Unsupported value: "Loose": supported values: "", "Ignore", "Strict", "Warn"',
        ),
        (f"fieldManager={'m' * 129}", "fieldManager: Too long: may not be more than 128 bytes"),
        ("fieldManager=a%07", 'fieldManager: Invalid value: "a\\u0007": invalid character U+0007 (at position 1)'),
    ):
        got = await call(f"{path}?{query}", method, config_map("a"), **headers)
        assert got.refusal == (422, "Invalid", f'{kind}.meta.k8s.io "" is invalid: {problem}')


async def test_options_of_deletes_are_judged(call: Caller, maps: str) -> None:
    await call(maps, "POST", config_map("a"))
    prefix = 'DeleteOptions.meta.k8s.io "" is invalid: '
    got = await call(f"{maps}/a?propagationPolicy=Sometimes", "DELETE")
    assert got.refusal == (
        422,
        "Invalid",
        f'{prefix}propagationPolicy: Unsupported value: "Sometimes": supported values: "Foreground", "Background", '
        '"Orphan", "nil"',
    )
    got = await call(f"{maps}/a", "DELETE", {"orphanDependents": True, "propagationPolicy": "Orphan"})
    assert got.message == (
        f'{prefix}propagationPolicy: Invalid value: "Orphan": orphanDependents and deletionPropagation cannot be both '
        "set"
    )
    got = await call(f"{maps}/a?dryRun=Some", "DELETE")
    assert got.message == f'{prefix}dryRun: Unsupported value: ["Some"]: supported values: "All"'
    assert (await call(f"{maps}/a")).status == 200


async def test_preconditions_are_told_in_upstreams_words(call: Caller, maps: str) -> None:
    made = (await call(maps, "POST", config_map("a"))).json["metadata"]
    uid, version = made["uid"], made["resourceVersion"]
    got = await call(f"{maps}/a", "DELETE", {"preconditions": {"uid": "other"}})
    assert got.refusal == (
        409,
        "Conflict",
        f'Operation cannot be fulfilled on ConfigMap "a": the UID in the precondition (other) does not match the UID '
        f"in record ({uid}). The object might have been deleted and then recreated",
    )
    got = await call(f"{maps}/a", "DELETE", {"preconditions": {"resourceVersion": "1"}})
    assert got.message == (
        f'Operation cannot be fulfilled on ConfigMap "a": the ResourceVersion in the precondition (1) does not match '
        f"the ResourceVersion in record ({version}). The object might have been modified"
    )
    changed = config_map("a")
    changed["metadata"]["uid"] = "other"
    got = await call(f"{maps}/a", "PUT", changed)
    key = maps.replace("/api/v1/namespaces/", "").replace("/configmaps", "")
    assert got.message == (
        f'Operation cannot be fulfilled on configmaps "a": StorageError: invalid object, Code: 4, Key: '
        f"/registry/configmaps/{key}/a, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in "
        f"precondition: other, UID in object meta: {uid}"
    )
    changed["metadata"].update(uid=uid, resourceVersion="1")
    got = await call(f"{maps}/a", "PUT", changed)
    assert got.refusal == (
        409,
        "Conflict",
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to '
        "the latest version and try again",
    )
    assert got.json["details"] == {"name": "a", "kind": "configmaps"}
    good = {"preconditions": {"uid": uid, "resourceVersion": version}}
    assert (await call(f"{maps}/a", "DELETE", good)).json["status"] == "Success"


@pytest.mark.parametrize("validation", ["Strict", "Warn", "Ignore"])
@pytest.mark.parametrize(
    ("method", "content_type", "body", "problems"),
    [
        pytest.param(
            "POST",
            JSON,
            b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x","nome":"y"},"data":{"a":"1","a":"2"}}',
            ['duplicate field "data.a"', 'unknown field "metadata.nome"'],
            id="create",
        ),
        pytest.param(
            "PATCH",
            MERGE,
            b'{"datum":{},"data":{"a":"1","a":"2"}}',
            ['duplicate field "data.a"', 'unknown field "datum"'],
            id="merge",
        ),
        pytest.param(
            "PATCH", STRATEGIC, b'{"metadata":{"nome":"y"}}', ['unknown field "metadata.nome"'], id="strategic"
        ),
        pytest.param(
            "PATCH",
            JSON_PATCH,
            b'[{"op":"add","path":"/data/z","value":"1","why":"not"}]',
            ['json patch unknown field "[0].why"'],
            id="json",
        ),
    ],
)
async def test_fields_that_nobody_knows_are_refused_told_or_dropped(
    call: Caller, maps: str, validation: str, method: str, content_type: str, body: bytes, problems: list[str]
) -> None:
    await call(maps, "POST", config_map("old", a="0"))
    path = maps if method == "POST" else f"{maps}/old"
    got = await call(f"{path}?fieldValidation={validation}", method, body, content_type=content_type)
    if validation == "Strict":
        text = f"strict decoding error: {', '.join(problems)}"
        if method == "POST":
            assert got.refusal == (
                400,
                "BadRequest",
                f'ConfigMap in version "v1" cannot be handled as a ConfigMap: {text}',
            )
        else:
            code, reason, message = got.refusal
            assert (code, reason) == (422, "Invalid")
            assert message.startswith(' "" is invalid: patch: Invalid value: "{')
            assert message.endswith(f": {text}")
        return
    assert got.status in {200, 201}
    told = got.headers.get("warning", "")
    expected = ", ".join('299 - "{}"'.format(text.replace('"', '\\"')) for text in problems)
    assert told == (expected if validation == "Warn" else "")
    assert got.json["data"].get("a", "0") == ("0" if content_type in {STRATEGIC, JSON_PATCH} else "2")


@pytest.mark.parametrize(
    ("content_type", "body", "code", "message"),
    [
        pytest.param(MERGE, b"{", 400, "error decoding patch: ", id="broken"),
        pytest.param(
            JSON_PATCH,
            b'[{"op":"test","path":"/data/a","value":"9"}]',
            422,
            "the server rejected our request due to an error in our request",
            id="failed-test",
        ),
        pytest.param(
            JSON_PATCH,
            b'[{"op":"remove","path":"/data/nope"}]',
            422,
            "the server rejected our request due to an error in our request",
            id="nothing-to-remove",
        ),
        pytest.param(
            JSON_PATCH,
            b"[" + b",".join([b'{"op":"test","path":"/kind","value":"ConfigMap"}'] * 10_001) + b"]",
            413,
            "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001",
            id="too-many",
        ),
        pytest.param(MERGE, b'{"metadata":{"name":"b"}}', 400, "the name of the object (b) does not match", id="name"),
        pytest.param(
            MERGE,
            b'{"data":{"a":1}}',
            422,
            ' "" is invalid: patch: Invalid value: "{',
            id="type",
        ),
    ],
)
async def test_a_patch_that_cannot_be_says_why(
    call: Caller, maps: str, content_type: str, body: bytes, code: int, message: str
) -> None:
    await call(maps, "POST", config_map("a", a="1"))
    got = await call(f"{maps}/a", "PATCH", body, content_type=content_type)
    status, _, said = got.refusal
    assert (status, said[: len(message)]) == (code, message)
    assert (await call(f"{maps}/a")).json["data"] == {"a": "1"}


async def test_a_json_patch_whose_test_holds_is_done(call: Caller, maps: str) -> None:
    await call(maps, "POST", config_map("a", a="1"))
    patch = [
        {"op": "test", "path": "/data/a", "value": "1"},
        {"op": "copy", "from": "/data/a", "path": "/data/b"},
        {"op": "move", "from": "/data/a", "path": "/data/c"},
    ]
    got = await call(f"{maps}/a", "PATCH", patch, content_type=JSON_PATCH)
    assert got.json["data"] == {"b": "1", "c": "1"}


async def test_a_name_that_is_generated_again_and_again_is_given_up(
    call: Caller, maps: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body: Json = {"metadata": {"generateName": "n-"}}
    made = (await call(maps, "POST", body)).json["metadata"]["name"]
    assert made.startswith("n-")
    assert len(made) == 7
    # Chance is not ours: it says the same for ever.
    monkeypatch.setattr("secrets.choice", lambda letters: letters[0])
    taken = (await call(maps, "POST", body)).json["metadata"]["name"]
    got = await call(maps, "POST", body)
    assert got.refusal == (
        409,
        "AlreadyExists",
        f'configmaps "{taken}" already exists, the server was not able to generate a unique name for the object',
    )
    assert got.json["details"] == {"name": taken, "kind": "configmaps", "retryAfterSeconds": 1}


@pytest.mark.parametrize(
    ("policy", "finalizers"),
    [("Background", None), ("Foreground", ["foregroundDeletion"]), ("Orphan", ["orphan"])],
)
async def test_the_three_ways_to_delete(call: Caller, maps: str, policy: str, finalizers: list[str] | None) -> None:
    await call(maps, "POST", config_map("a"))
    got = await call(f"{maps}/a", "DELETE", {"propagationPolicy": policy})
    if finalizers is None:
        assert got.json["status"] == "Success"
        assert got.json["details"]["name"] == "a"
        assert (await call(f"{maps}/a")).refusal == (404, "NotFound", 'configmaps "a" not found')
        return
    assert got.json["metadata"]["finalizers"] == finalizers
    assert got.json["metadata"]["deletionGracePeriodSeconds"] == 0
    again = await call(f"{maps}/a", "PATCH", {"metadata": {"finalizers": ["x/y"]}}, content_type=MERGE)
    assert again.message == (
        'ConfigMap "a" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is '
        'being deleted, found new finalizers []string{"x/y"}'
    )
    gone = await call(f"{maps}/a", "PATCH", {"metadata": {"finalizers": None}}, content_type=MERGE)
    assert gone.status == 200
    assert (await call(f"{maps}/a")).status == 404


async def test_dry_runs_answer_and_keep_nothing(call: Caller, maps: str) -> None:
    assert (await call(f"{maps}?dryRun=All", "POST", config_map("a"))).status == 201
    assert names((await call(maps)).json) == []
    await call(maps, "POST", config_map("a", x="1"))
    before = (await call(f"{maps}/a")).body
    for method, body, content_type in (
        ("PUT", config_map("a", x="2"), JSON),
        ("PATCH", {"data": {"x": "2"}}, MERGE),
        ("PATCH", config_map("a", x="2"), APPLY),
        ("DELETE", None, JSON),
    ):
        query = "dryRun=All&fieldManager=m" + ("&force=true" if content_type == APPLY else "")
        got = await call(f"{maps}/a?{query}", method, body, content_type=content_type)
        assert got.status == 200, got.body
        assert method == "DELETE" or got.json["data"] == {"x": "2"}
        assert (await call(f"{maps}/a")).body == before


async def test_an_invalid_object_names_all_its_causes(call: Caller, maps: str) -> None:
    got = await call(maps, "POST", {"metadata": {"name": "A_"}, "data": {"a/b": "1"}})
    code, reason, message = got.refusal
    assert (code, reason) == (422, "Invalid")
    assert message.startswith('ConfigMap "A_" is invalid: [')
    causes = got.json["details"]["causes"]
    assert {(cause["field"], cause["reason"]) for cause in causes} == {
        ("metadata.name", "FieldValueInvalid"),
        ("data[a/b]", "FieldValueInvalid"),
    }


async def test_methods_that_a_path_has_not_are_refused(call: Caller, maps: str) -> None:
    text = "the server does not allow this method on the requested resource"
    assert (await call(maps, "PUT", config_map("a"))).refusal == (405, "MethodNotAllowed", text)
    assert (await call(f"{maps}/a", "POST", config_map("a"))).refusal == (405, "MethodNotAllowed", text)
    got = await call("/api/v1/nothings")
    assert got.refusal == (404, "NotFound", "the server could not find the requested resource")
    got = await call(f"{maps}/a/nothing")
    assert got.status == 404


async def test_a_watch_of_one_object_is_a_selection_by_name(call: Caller, maps: str) -> None:
    await call(maps, "POST", config_map("a"))
    await call(maps, "POST", config_map("b"))
    got = await call(f"{maps}/a?watch=1&timeoutSeconds=1")
    events = [json.loads(line) for line in got.body.splitlines()]
    assert [(event["type"], event["object"]["metadata"]["name"]) for event in events] == [("ADDED", "a")]
    got = await call(f"{maps}?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Db")
    assert [json.loads(line)["object"]["metadata"]["name"] for line in got.body.splitlines()] == ["b"]


async def test_continue_tokens_cannot_climb_out_of_their_kind(call: Caller, maps: str) -> None:
    for start in ("../secrets/", "a//b", "a/../b"):
        token = base64.urlsafe_b64encode(json.dumps({"v": "meta.k8s.io/v1", "rv": 1, "start": start}).encode())
        got = await call(f"{maps}?continue={token.decode().rstrip('=')}")
        assert got.refusal == (400, "BadRequest", f"invalid continue token: continue key is not valid: {start}")
