"""How a JSON answer is written down: on one line, indented for people, or as YAML.

Source: apiserver/pkg/endpoints/handlers/negotiation/negotiate.go (isPrettyPrint): who looks at the answer with curl or
a browser gets it indented without asking.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
import yaml

from engine.apiserver.accept import clauses
from engine.apiserver.request import JSON, Query, Response

_BY_PEOPLE = ("curl", "Wget", "Mozilla/5.0")
_TRUE = frozenset({"1", "t", "true"})
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


_LONG = 64 << 10
"""Bytes from which on YAML is written in a thread: a thousand objects take seconds, which are not others' to wait."""


async def dressed(response: Response, headers: Mapping[str, str], query: Query) -> Response:
    """`dress`, with others served meanwhile."""
    size = sum(map(len, response.pieces)) if response.pieces else len(response.body)
    if size < _LONG or not _prefers_yaml(headers.get("accept", "")):
        return dress(response, headers, query)
    return await asyncio.to_thread(dress, response, headers, query)


def dress(response: Response, headers: Mapping[str, str], query: Query) -> Response:
    """The answer as this client reads it; what is not JSON, or tagged byte by byte, stays as it is."""
    if response.content_type != JSON or "etag" in response.headers or not (response.pieces or response.body):
        return response
    accept = headers.get("accept", "")
    if _prefers_yaml(accept):
        text: str = yaml.dump(msgspec.json.decode(response.whole()), Dumper=_Dumper, sort_keys=True, allow_unicode=True)
        return replace(response, body=text.encode(), pieces=(), content_type="application/yaml")
    if _is_for_people(accept, headers, query):
        return indented(response)
    if response.pieces:
        response.pieces = [*response.pieces, b"\n"]
    else:
        response.body += b"\n"
    return response


def indented(response: Response) -> Response:
    """The answer over many lines, as Go's MarshalIndent writes it."""
    return replace(response, body=msgspec.json.format(response.whole(), indent=2), pieces=())


def _is_for_people(accept: str, headers: Mapping[str, str], query: Query) -> bool:
    asked = query.get("pretty")
    if asked:
        return asked.lower() in _TRUE
    return headers.get("user-agent", "").startswith(_BY_PEOPLE) or (
        "pretty=1" in accept and any(clause.parameters.get("pretty") == "1" for clause in clauses(accept)[:1])
    )


def _prefers_yaml(accept: str) -> bool:
    if "yaml" not in accept:
        return False
    for clause in clauses(accept):
        if clause.covers(JSON):
            return False
        if clause.covers("application/yaml"):
            return True
    return False
