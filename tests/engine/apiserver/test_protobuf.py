"""Protobuf bodies: single fields by their bytes, whole objects through the real kubectl."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimachinery.objects.errors import BadRequest
from engine.apiserver.schema.protobuf import to_json
from tests.engine.conftest import RunningEngine


def field(number: int, value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value & ((1 << 64) - 1))
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def body(api_version: str, kind: str, raw: bytes) -> bytes:
    return b"k8s\0" + field(1, field(1, api_version) + field(2, kind)) + field(2, raw)


def decoded(api_version: str, kind: str, raw: bytes) -> dict[str, object]:
    return json.loads(to_json(body(api_version, kind, raw)))


def test_empty_texts_and_times_are_left_out() -> None:
    metadata = field(1, "a") + field(2, "") + field(8, b"")
    assert decoded("v1", "ConfigMap", field(1, metadata)) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a"},
    }


def test_zeros_stay_only_where_someone_said_them() -> None:
    container = field(1, "c") + field(16, 0) + field(15, field(2, 0))
    assert decoded("v1", "Pod", field(2, field(2, container) + field(11, 0) + field(4, 0)))["spec"] == {
        "containers": [{"name": "c", "securityContext": {"privileged": False}}],
        "terminationGracePeriodSeconds": 0,
    }


def test_an_unknown_field_is_refused_unless_it_is_empty() -> None:
    assert decoded("v1", "Pod", field(2, field(999, "") + field(998, 0)))["spec"] == {}
    with pytest.raises(BadRequest, match="field 999 of k8s.io.api.core.v1.PodSpec is not known; send JSON"):
        decoded("v1", "Pod", field(2, field(999, "x")))


@pytest.mark.parametrize(
    ("kind", "raw", "expected"),
    [
        pytest.param("ConfigMap", field(2, field(1, "k") + field(2, "v")), {"data": {"k": "v"}}, id="map"),
        pytest.param("Secret", field(2, field(1, "k") + field(2, b"\x00\xff")), {"data": {"k": "AP8="}}, id="bytes"),
        pytest.param(
            "Pod", field(2, field(1, field(1, "v") + field(2, field(2, b"")))),
            {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}, id="inlined-and-empty",
        ),
        pytest.param("Pod", field(2, field(4, 0)), {"spec": {"terminationGracePeriodSeconds": 0}}, id="zero"),
        pytest.param("Pod", field(2, field(4, -5)), {"spec": {"terminationGracePeriodSeconds": -5}}, id="negative"),
        pytest.param(
            "Service", field(2, field(1, field(4, field(1, 1) + field(3, "http")) + field(3, 80))),
            {"spec": {"ports": [{"targetPort": "http", "port": 80}]}}, id="int-or-string-as-text",
        ),
        pytest.param(
            "Service", field(2, field(1, field(4, field(1, 0) + field(2, 8080)))),
            {"spec": {"ports": [{"targetPort": 8080}]}}, id="int-or-string-as-number",
        ),
        pytest.param(
            "Pod", field(2, field(2, field(8, field(2, field(1, "cpu") + field(2, field(1, "10m")))))),
            {"spec": {"containers": [{"resources": {"requests": {"cpu": "10m"}}}]}}, id="quantity",
        ),
        pytest.param(
            "Event", field(1, field(8, field(1, 1767225600))),
            {"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}}, id="time",
        ),
    ],
)  # fmt: skip
def test_fields_are_read_as_their_json(kind: str, raw: bytes, expected: dict[str, object]) -> None:
    assert decoded("v1", kind, raw) == {"apiVersion": "v1", "kind": kind, **expected}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"{}", "does not start as Kubernetes protobuf", id="json"),
        pytest.param(body("v1", "Nothing", b""), "no message k8s.io.api.core.v1.Nothing", id="unknown-kind"),
        pytest.param(body("v1", "Pod", field(99, "x")), "field 99 of k8s.io.api.core.v1.Pod", id="unknown-field"),
        pytest.param(body("v1", "Pod", b"\x0a\x7fab"), "in the middle of a field", id="cut"),
        pytest.param(body("v1", "ConfigMap", field(1, field(1, b"\xff"))), "unrecognized", id="no-text"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason(data: bytes, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        to_json(data)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(BadRequest):
        json.loads(to_json(body("v1", "Pod", data)))


@pytest.mark.parametrize(
    ("command", "resource"),
    [
        pytest.param(
            ["deployment", "x", "--image=nginx", "--replicas=2", "--port=80"], "deployment/x", id="deployment"
        ),
        pytest.param(["configmap", "x", "--from-literal=a=b"], "configmap/x", id="configmap"),
        pytest.param(["secret", "generic", "x", "--from-literal=a=b"], "secret/x", id="secret"),
        pytest.param(["service", "nodeport", "x", "--tcp=80:8080"], "service/x", id="service"),
        pytest.param(["namespace", "x"], "namespace/x", id="namespace"),
        pytest.param(["serviceaccount", "x"], "serviceaccount/x", id="serviceaccount"),
    ],
)
async def test_kubectl_creates(engine: RunningEngine, command: list[str], resource: str) -> None:
    wanted = json.loads((await engine.kubectl("create", *command, "--dry-run=client", "-o", "json")).out)
    await engine.kubectl("create", *command)
    made = json.loads((await engine.kubectl("get", resource, "-o", "json")).out)
    assert _kept(wanted, made) == []


def _kept(wanted: object, made: object, path: str = "") -> list[str]:
    """Where an object lacks what was asked for."""
    if isinstance(wanted, dict) and isinstance(made, dict):
        missing = [f"{path}.{key}" for key in wanted if key not in made and wanted[key] not in (None, {}, "", 0)]
        return missing + [p for key in wanted if key in made for p in _kept(wanted[key], made[key], f"{path}.{key}")]
    if isinstance(wanted, list) and isinstance(made, list):
        return [p for a, b in zip(wanted, made, strict=True) for p in _kept(a, b, f"{path}[]")]
    return [] if wanted in (made, None, 0, "") else [f"{path}: {wanted!r} became {made!r}"]
