"""Request bodies in YAML, read as the JSON that they stand for."""

from __future__ import annotations

from typing import Any

import yaml
from yaml.constructor import SafeConstructor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"


def parse_yaml(body: bytes) -> tuple[Any, list[str]]:
    """Read one YAML document: (document, messages about duplicate keys). Raises ValueError when it is none."""
    try:
        root: Node | None = yaml.compose(body, Loader=_LOADER)
        if root is None:
            return None, []
        reader = _Reader()
        return reader.read(root), reader.duplicates
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"error converting YAML to JSON: yaml: {error}") from error


class _Reader:
    """Turns nodes into JSON values. Times stay strings, as the API's times are; keys become strings."""

    def __init__(self) -> None:
        self.duplicates: list[str] = []
        self._scalars = SafeConstructor()

    def read(self, node: Node) -> Any:
        if isinstance(node, MappingNode):
            return self._mapping(node)
        if isinstance(node, SequenceNode):
            return [self.read(child) for child in node.value]
        return self._scalar(node)

    def _mapping(self, node: MappingNode) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                sources = value_node.value if isinstance(value_node, SequenceNode) else [value_node]
                for source in sources:
                    merged = {**self.read(source), **merged}
                continue
            key = str(key_node.value)
            if key in mapping:
                line = key_node.start_mark.line + 1
                self.duplicates.append(f'yaml: unmarshal errors:\n  line {line}: key "{key}" already set in map')
            mapping[key] = self.read(value_node)
        return {**merged, **mapping}

    def _scalar(self, node: Node) -> Any:
        if not isinstance(node, ScalarNode):
            raise yaml.YAMLError(f"unexpected {node.tag}")
        match node.tag.removeprefix(_TAG):
            case "null":
                return None
            case "bool":
                return self._scalars.construct_yaml_bool(node)
            case "int":
                return self._scalars.construct_yaml_int(node)
            case "float":
                return self._scalars.construct_yaml_float(node)
            case _:
                return node.value
