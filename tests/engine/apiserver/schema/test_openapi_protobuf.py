"""OpenAPI 2 as protobuf: what the JSON says, under the numbers of openapi.v2."""

from __future__ import annotations

import struct
from typing import Any

import msgspec
import pytest

from engine.apiserver.schema import openapi, openapi_protobuf
from engine.apiserver.schema.protobuf import read_pairs

Fields = dict[int, list[Any]]


def fields(data: bytes) -> Fields:
    found: Fields = {}
    for number, value in read_pairs(data):
        found.setdefault(number, []).append(value)
    return found


def named(pairs: list[bytes]) -> dict[str, bytes]:
    """A map as the messages have it: pairs of a name and a message."""
    return {entry[1][0].decode(): entry[2][0] for entry in map(fields, pairs)}


def merged(parts: list[bytes]) -> bytes:
    return b"".join(parts)


@pytest.fixture(scope="module")
def document() -> Fields:
    return fields(openapi.protobuf_v2())


def test_the_document_has_every_definition_and_path_of_the_json(document: Fields) -> None:
    said = msgspec.json.decode(openapi.document_v2())
    assert document[1] == [b"2.0"]
    assert fields(document[2][0]) == {1: [b"Kubernetes"], 2: [said["info"]["version"].encode()]}
    assert list(named(fields(merged(document[8]))[2])) == list(said["paths"])
    definitions = named(fields(merged(document[9]))[1])
    assert list(definitions) == list(said["definitions"])
    for name, raw in definitions.items():
        schema, expected = fields(raw), said["definitions"][name]
        properties = named(fields(schema[25][0])[1]) if 25 in schema else {}
        assert list(properties) == list(expected.get("properties", {})), name
        assert [word.decode() for word in schema.get(19, ())] == expected.get("required", []), name


def test_a_schema_keeps_its_references_types_and_extensions(document: Fields) -> None:
    definitions = named(fields(merged(document[9]))[1])
    pod_spec = named(fields(fields(definitions["io.k8s.api.core.v1.PodSpec"])[25][0])[1])
    containers = fields(pod_spec["containers"])
    assert fields(containers[22][0]) == {1: [b"array"]}
    item = fields(fields(containers[23][0])[1][0])
    assert item[1] == [b"#/definitions/io.k8s.api.core.v1.Container"]
    extensions = {name: fields(value)[2][0] for name, value in named(containers[31]).items()}
    assert extensions["x-kubernetes-patch-merge-key"] == b'"name"\n'
    node_selector = fields(pod_spec["nodeSelector"])
    assert fields(fields(node_selector[21][0])[1][0])[22] == [b"\n\x06string"]


def test_an_operation_keeps_its_kind_and_parameters(document: Fields) -> None:
    item = fields(named(fields(merged(document[8]))[2])["/api/v1/namespaces/{namespace}/pods/{name}"])
    assert [fields(fields(fields(entry)[1][0])[2][0]).keys() for entry in item[9]] == [{4}, {4}, {3}]
    patch = fields(item[8][0])
    body = next(fields(fields(fields(entry)[1][0])[1][0]) for entry in patch[8] if 1 in fields(fields(entry)[1][0]))
    assert (body[2], body[3]) == ([b"body"], [b"body"])
    kind = named(patch[13])["x-kubernetes-group-version-kind"]
    assert msgspec.json.decode(fields(kind)[2][0]) == {"group": "", "version": "v1", "kind": "Pod"}
    answer = fields(named(fields(patch[9][0])[1])["200"])[1][0]
    assert fields(fields(fields(answer)[2][0])[1][0])[1] == [b"#/definitions/io.k8s.api.core.v1.Pod"]


@pytest.mark.parametrize(
    ("schema", "number", "value"),
    [
        pytest.param({"default": {"a": [1, None]}}, 5, [b'\x12\x0f{"a":[1,null]}\n'], id="a-default"),
        pytest.param({"minimum": 1.5}, 9, [struct.pack("<d", 1.5)], id="a-number"),
        pytest.param({"maxLength": 300}, 11, [300], id="a-length"),
        pytest.param({"uniqueItems": True}, 16, [1], id="a-flag"),
        pytest.param({"enum": ["a", 1]}, 20, [b'\x12\x04"a"\n', b"\x12\x021\n"], id="values"),
        pytest.param({"additionalProperties": False}, 21, [b"\x10\x00"], id="nothing-else"),
        pytest.param({"additionalProperties": True}, 21, [b"\x10\x01"], id="anything-else"),
        pytest.param({"allOf": [{"type": "string"}]}, 24, [b"\xb2\x01\x08\x0a\x06string"], id="all-of"),
    ],
)
def test_words_of_users_schemas_are_said_too(schema: dict[str, Any], number: int, value: list[Any]) -> None:
    part = openapi_protobuf.part({}, {"com.example.v1.Thing": schema})
    definition = named(fields(fields(part)[9][0])[1])["com.example.v1.Thing"]
    assert fields(definition) == {number: value}
