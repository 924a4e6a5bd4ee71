"""Decoding: what is refused and in which words, what is dropped, and what comes out in canonical form."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimachinery.objects.errors import BadRequest, Invalid, UnsupportedMediaType
from engine.apiserver.schema.decode import TypeMeta, decode, decode_patched, duplicate_fields
from engine.apiserver.schema.problems import Strict, Where
from engine.apiserver.schema.types import named_type

POD = TypeMeta("", "v1", "Pod")
DEPLOYMENT = TypeMeta("apps", "v1", "Deployment")
LEASE = TypeMeta("coordination.k8s.io", "v1", "Lease")
SECRET = TypeMeta("", "v1", "Secret")

MISINDENTED = b"""\
apiVersion: v1
kind: Pod
metadata:
  name: nginx-pod
spec:
   containers:
   - name: nginx
   image: nginx:latest
"""


def body(**fields: Any) -> bytes:
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, **fields}).encode()


def container(**fields: Any) -> dict[str, Any]:
    return {"containers": [{"name": "c", **fields}]}


def test_the_misindented_manifest_is_refused_by_naming_its_field() -> None:
    with pytest.raises(BadRequest) as raised:
        decode(MISINDENTED, POD, validation="Strict", content_type="application/yaml")
    assert raised.value.message == (
        'Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec.image"'
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param(body(spec=container(ports=[{"containerPort": "80"}])), "json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32", id="string-for-number"),
        pytest.param(body(spec=container(ports=[{"containerPort": 3_000_000_000}])), "json: cannot unmarshal number 3000000000 into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32", id="number-too-large"),
        pytest.param(body(spec=container(ports=[{"containerPort": 80.5}])), "json: cannot unmarshal number 80.5 into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32", id="fraction"),
        pytest.param(body(spec=container(image=7)), "json: cannot unmarshal number into Go struct field Container.spec.containers.image of type string", id="number-for-string"),
        pytest.param(body(spec=container(command="sh")), "json: cannot unmarshal string into Go struct field Container.spec.containers.command of type []string", id="string-for-list"),
        pytest.param(body(spec={"containers": {}}), "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container", id="object-for-list"),
        pytest.param(body(spec=[]), "json: cannot unmarshal array into Go struct field Pod.spec of type v1.PodSpec", id="list-for-object"),
        pytest.param(body(spec={"hostNetwork": "yes"}), "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool", id="string-for-bool"),
        pytest.param(body(spec={"nodeSelector": {"a": 1}}), "json: cannot unmarshal number into Go struct field PodSpec.spec.nodeSelector of type string", id="number-in-string-map"),
        pytest.param(body(spec=container(resources={"limits": {"cpu": "lots"}})), "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'", id="quantity"),
        pytest.param(body(spec=container(livenessProbe={"httpGet": {"port": []}})), "json: cannot unmarshal array into Go struct field HTTPGetAction.spec.containers.livenessProbe.httpGet.port of type int32", id="int-or-string"),
        pytest.param(body(status={"startTime": "soon"}), 'parsing time "soon" as "2006-01-02T15:04:05Z07:00": cannot parse "soon" as "2006"', id="time"),
    ],
)  # fmt: skip
def test_wrong_types_are_refused_in_every_mode(text: bytes, problem: str) -> None:
    for validation in ("Strict", "Warn", "Ignore"):
        with pytest.raises(BadRequest) as raised:
            decode(text, POD, validation=validation)
        assert raised.value.message == f'Pod in version "v1" cannot be handled as a Pod: {problem}'


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        pytest.param(body(spec=container(foo=1, ports=[{"bar": 2}])), ['unknown field "spec.containers[0].foo"', 'unknown field "spec.containers[0].ports[0].bar"'], id="unknown"),
        pytest.param(b'{"kind":"Pod","apiVersion":"v1","spec":{"containers":[{"name":"a","name":"b"}]}}', ['duplicate field "spec.containers[0].name"'], id="duplicate"),
        pytest.param(b'{"kind":"Pod","kind":"Pod","apiVersion":"v1","x":{}}', ['duplicate field "kind"', 'unknown field "x"'], id="both"),
    ],
)  # fmt: skip
def test_strict_problems_are_errors_warnings_or_nothing(text: bytes, messages: list[str]) -> None:
    with pytest.raises(BadRequest) as raised:
        decode(text, POD, validation="Strict")
    assert raised.value.message.endswith(f"strict decoding error: {', '.join(messages)}")
    assert decode(text, POD, validation="Warn")[1] == messages
    assert decode(text, POD, validation="Ignore")[1] == []


def test_unknown_fields_and_nulls_are_dropped() -> None:
    text = body(metadata={"name": "a", "creationTimestamp": None}, spec=container(foo=1, image=None), junk={"a": 1})
    obj, _ = decode(text, POD)
    assert obj == {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": container()}


def test_amounts_times_and_binary_data_come_out_canonical() -> None:
    pod, _ = decode(body(spec=container(resources={"limits": {"cpu": 0.5, "memory": "1024Mi"}})), POD)
    assert pod["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "500m", "memory": "1Gi"}
    lease = json.dumps(
        {
            "metadata": {"creationTimestamp": "2026-01-01T02:00:00+02:00"},
            "spec": {"renewTime": "2026-01-01T00:00:00.5Z"},
        }
    )
    decoded, _ = decode(lease.encode(), LEASE)
    assert decoded["metadata"]["creationTimestamp"] == "2026-01-01T00:00:00Z"
    assert decoded["spec"]["renewTime"] == "2026-01-01T00:00:00.500000Z"
    secret, _ = decode(b'{"data":{"a":"aGk=\\n"}}', SECRET)
    assert secret["data"] == {"a": "aGk="}


def test_base64_faults_are_located() -> None:
    with pytest.raises(BadRequest, match="illegal base64 data at input byte 2"):
        decode(b'{"kind":"Secret","data":{"a":"ab!d"}}', SECRET)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(b'{"apiVersion":"v1","kind":"Pod"}', "the API version in the data (v1) does not match the expected API version (apps/v1)", id="version"),
        pytest.param(b"[1]", "the object provided is unrecognized (must be of type Deployment): couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of type struct { APIVersion string; Kind string } (5b315d)", id="no-object"),
    ],
)  # fmt: skip
def test_what_is_no_such_object_is_refused(text: bytes, message: str) -> None:
    with pytest.raises(BadRequest) as raised:
        decode(text, DEPLOYMENT)
    assert raised.value.message == message


@pytest.mark.parametrize("text", [b"", b"{", b'{"a":}', b"\xff\xfe", b"null", b"3"])
def test_broken_documents_are_bad_requests(text: bytes) -> None:
    with pytest.raises(BadRequest, match="the object provided is unrecognized"):
        decode(text, POD)


def test_other_media_types_are_refused() -> None:
    with pytest.raises(UnsupportedMediaType):
        decode(b"{}", POD, content_type="text/html")


def test_yaml_reads_as_the_json_it_stands_for() -> None:
    text = b"spec:\n  containers:\n  - {name: c, command: [a, '1'], stdin: on}\n  volumes: [{name: v, secret: {defaultMode: 0644}}]\n"
    obj, warnings = decode(text, POD, content_type="application/yaml; charset=utf-8")
    assert obj["spec"] == {
        "containers": [{"name": "c", "command": ["a", "1"], "stdin": True}],
        "volumes": [{"name": "v", "secret": {"defaultMode": 420}}],
    }
    assert warnings == []


def test_yaml_times_stay_text_and_duplicate_keys_are_told() -> None:
    text = b"metadata:\n  creationTimestamp: 2026-01-01T00:00:00Z\n  name: a\n  name: b\n"
    obj, warnings = decode(text, POD, content_type="application/yaml")
    assert obj["metadata"] == {"creationTimestamp": "2026-01-01T00:00:00Z", "name": "b"}
    assert warnings == ['yaml: unmarshal errors:\n  line 4: key "name" already set in map']


def test_a_patched_object_is_judged_as_a_patch() -> None:
    with pytest.raises(Invalid) as raised:
        decode_patched({"kind": "Pod", "spec": {"foo": 1}}, POD, validation="Strict")
    assert 'patch: Invalid value: "{' in raised.value.message
    assert raised.value.message.endswith('strict decoding error: unknown field "spec.foo"')
    assert decode_patched({"spec": {"foo": 1}}, POD)[1] == ['unknown field "spec.foo"']


scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.text('ab":{\\', max_size=4)
documents = st.recursive(
    scalars,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text('ab":\\', max_size=3), below, max_size=3),
)


@given(documents, st.sampled_from([None, 1]))
def test_a_document_without_duplicates_has_none(document: Any, indent: int | None) -> None:
    assert duplicate_fields(json.dumps(document, indent=indent).encode(), document) == []


@given(st.dictionaries(st.text("abc", min_size=1, max_size=2), scalars, min_size=1, max_size=4), st.data())
def test_every_repeated_field_is_found(document: dict[str, Any], data: st.DataObject) -> None:
    repeated = data.draw(st.sampled_from(sorted(document)))
    text = f'{{"x": [{json.dumps(document)[:-1]}, {json.dumps(repeated)}: 0}}]}}'
    assert duplicate_fields(text.encode(), json.loads(text)) == [f'duplicate field "x[0].{repeated}"']


pod_specs = st.fixed_dictionaries(
    {},
    optional={
        "hostname": st.none() | st.text("ab", max_size=2) | st.integers(),
        "hostNetwork": st.booleans() | st.none(),
        "nodeSelector": st.dictionaries(st.text("ab", max_size=2), st.text("ab", max_size=2) | st.none(), max_size=2),
        "priority": st.integers(-(2**33), 2**33),
        "junk": st.integers(),
        "containers": st.lists(
            st.fixed_dictionaries(
                {"name": st.text("ab", max_size=2)},
                optional={
                    "args": st.lists(st.text("ab", max_size=2) | st.none(), max_size=2),
                    "resources": st.just({"limits": {"cpu": "1000m"}}) | st.just({"limits": {"cpu": "1"}}),
                },
            ),
            max_size=2,
        ),
    },
)


@given(pod_specs)
def test_what_is_decoded_once_decodes_to_itself_by_the_fast_way(spec: dict[str, Any]) -> None:
    struct = named_type("io.k8s.api.core.v1.PodSpec")
    try:
        decoded = struct.decode(spec, Where(), Strict())
    except Exception:  # noqa: BLE001 - a wrong type: the fast way must not let it pass either
        assert struct.count(spec) < 0
        return
    assert struct.count(decoded) >= 0
    assert (struct.count(spec) >= 0) == (decoded == spec)
