"""The kernel's nft tables through the `nft` program: text to change them, JSON to read them back."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from nodeagent.network.command import CommandFailed, run
from nodeagent.network.nft.table import Chain, Container, Element, Table

Objects = list[dict[str, Any]]


class Nft:
    """`command` lets tests run nft inside a network namespace. All methods raise CommandFailed."""

    def __init__(self, command: Sequence[str] = ("nft",)) -> None:
        self._command = tuple(command)

    async def apply(self, text: str) -> None:
        """Apply one atomic transaction: all of it or nothing."""
        await run((*self._command, "-f", "-"), text)

    async def read(self, table: str) -> Table | None:
        """What the kernel holds of `table` (family and name), None when there is no such table."""
        try:
            return parse(await self._list("table", *table.split()))
        except CommandFailed as error:
            if "No such file" in str(error):
                return None
            raise

    async def base_chains(self) -> Objects:
        """All chains of all tables that the kernel enters by itself, as nft describes them."""
        listed = await self._list("chains")
        return [found["chain"] for found in listed if "hook" in found.get("chain", {})]

    async def rules(self, family: str, table: str, chain: str) -> Objects:
        """The rules of one chain, each with its `handle` and, where it has one, `comment`."""
        listed = await self._list("chain", family, table, chain)
        return [found["rule"] for found in listed if "rule" in found]

    async def _list(self, *what: str) -> Objects:
        output = await run((*self._command, "-j", "list", *what))
        return msgspec.json.decode(output, type=dict[str, Objects])["nftables"]


def parse(objects: Objects) -> Table:
    """A table out of nft's JSON listing. Rules without our comment get a digest that matches nothing."""
    table = Table()
    hooks: dict[str, str] = {}
    digests: dict[str, list[str]] = {}
    for found in objects:
        for kind, body in found.items():
            if kind in {"set", "map"}:
                table.containers[body["name"]] = _container(body)
                table.elements |= _elements(body)
            elif kind == "chain":
                hooks[body["name"]] = _hook(body)
                digests.setdefault(body["name"], [])
            elif kind == "rule":
                digests.setdefault(body["chain"], []).append(body.get("comment", "foreign"))
    table.chains = {name: Chain(tuple(digests[name]), hook) for name, hook in hooks.items()}
    return table


def _container(body: Mapping[str, Any]) -> Container:
    key, value = body["type"], body.get("map")
    text = " . ".join(key) if isinstance(key, list) else str(key)
    if value is not None:
        text += " : " + (" . ".join(value) if isinstance(value, list) else str(value))
    return Container(text, body.get("timeout", 0))


def _elements(body: Mapping[str, Any]) -> dict[Element, str]:
    if "timeout" in body:
        return {}  # the kernel's own learning
    name, listed = body["name"], body.get("elem", [])
    if "map" in body:
        return {(name, _text(key)): _text(value) for key, value in listed}
    return {(name, _text(key)): "" for key in listed}


def _text(value: Any) -> str:
    if isinstance(value, dict):
        for word, inner in value.items():
            if word == "concat":
                return " . ".join(_text(part) for part in inner)
            if word in {"goto", "jump"}:
                return f"{word} {inner['target']}"
            if inner is None:
                return str(word)
    return str(value)


def _hook(body: Mapping[str, Any]) -> str:
    if "hook" not in body:
        return ""
    return f"type {body['type']} hook {body['hook']} priority {body['prio']}; policy {body['policy']}"
