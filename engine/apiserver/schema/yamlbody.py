"""Request bodies in YAML, read as the JSON that they stand for."""

from __future__ import annotations

import math
from typing import Any

import yaml
from yaml.constructor import SafeConstructor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from engine.apiserver.schema.jsonbody import MAX_DEPTH

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
# How many nodes a text may be worth beyond those that it has, by aliases.
_ALIASED = 100_000


def parse_yaml(body: bytes) -> tuple[Any, list[str]]:
    """Read one YAML document: (document, messages about duplicate keys). Raises ValueError when it is none."""
    try:
        root: Node | None = yaml.compose(body, Loader=_LOADER)
        if root is None:
            return None, []
        reader = _Reader(len(body))
        return reader.read(root, MAX_DEPTH), reader.duplicates
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ValueError(f"error converting YAML to JSON: yaml: {error}") from error


class _Reader:
    """Turns nodes into JSON values. Times stay strings, as the API's times are; keys become strings."""

    def __init__(self, size: int) -> None:
        self.duplicates: list[str] = []
        # Without aliases every node takes at least a byte of the text.
        self._left = size + _ALIASED
        self._scalars = SafeConstructor()

    def read(self, node: Node, levels: int) -> Any:
        """`levels`: how much deeper it may nest."""
        self._left -= 1
        if self._left < 0:
            raise yaml.YAMLError("document contains excessive aliasing")
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        if not levels:
            raise yaml.YAMLError("exceeded max depth")
        if isinstance(node, MappingNode):
            return self._mapping(node, levels - 1)
        if isinstance(node, SequenceNode):
            return [self.read(child, levels - 1) for child in node.value]
        raise yaml.YAMLError(f"unexpected {node.tag}")

    def _mapping(self, node: MappingNode, levels: int) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                sources = value_node.value if isinstance(value_node, SequenceNode) else [value_node]
                for source in sources:
                    merged = {**self._merged(source, levels), **merged}
                continue
            key = str(key_node.value)
            if key in mapping:
                line = key_node.start_mark.line + 1
                self.duplicates.append(f'yaml: unmarshal errors:\n  line {line}: key "{key}" already set in map')
            mapping[key] = self.read(value_node, levels)
        return {**merged, **mapping}

    def _merged(self, source: Node, levels: int) -> dict[str, Any]:
        if not isinstance(source, MappingNode) or not levels:
            raise yaml.YAMLError("map merge requires map or sequence of maps as the value")
        return self._mapping(source, levels - 1)

    def _scalar(self, node: ScalarNode) -> Any:
        match node.tag.removeprefix(_TAG):
            case "null":
                return None
            case "bool":
                return self._scalars.construct_yaml_bool(node)
            case "int":
                return self._scalars.construct_yaml_int(node)
            case "float":
                number: float = self._scalars.construct_yaml_float(node)
                if not math.isfinite(number):
                    raise yaml.YAMLError(f"json: unsupported value: {node.value}")
                return number
            case _:
                return node.value
