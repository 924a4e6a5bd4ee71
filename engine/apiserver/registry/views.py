"""Narrow views and cells that the tables of most kinds share."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec

from engine.apiserver.registry.kind import Since


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """What every table reads of an object's metadata."""

    name: str = ""
    namespace: str = ""
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None


class Row(Protocol):
    """Any table view."""

    @property
    def metadata(self) -> Metadata: ...


def name(view: Row) -> str:
    """The Name cell."""
    return view.metadata.name


def since(when: datetime | None) -> Since:
    """A cell that shows how long ago something was."""
    return Since(when.timestamp() if when else None)


def age(view: Row) -> Since:
    """The Age cell."""
    return since(view.metadata.creation_timestamp)
