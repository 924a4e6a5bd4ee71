"""Printer columns that many kinds share, and short ways to write one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apimachinery.objects.meta import format_time
from engine.apiserver.registry.kind import Cell, Column
from engine.apiserver.registry.views import Row, container_images, container_names, selector_text


def text(name: str, cell: Callable[[Any], Cell], description: str, *, wide: bool = False) -> Column:
    """A column of words; `wide` ones show with `-o wide` only."""
    return Column(name=name, cell=cell, description=description, priority=int(wide))


def number(name: str, cell: Callable[[Any], Cell], description: str) -> Column:
    """A column of numbers."""
    return Column(name=name, type="integer", cell=cell, description=description)


def boolean(name: str, cell: Callable[[Any], Cell], description: str) -> Column:
    """A column of yes and no."""
    return Column(name=name, type="boolean", cell=cell, description=description)


def truth(value: bool) -> str:
    """As Go prints a boolean."""
    return "true" if value else "false"


def containers(description: str = "Names of each container in the template.") -> Column:
    """The containers of `view.spec.template`."""
    return text("Containers", lambda view: container_names(view.spec.template), description, wide=True)


def images(description: str = "Images referenced by each container in the template.") -> Column:
    """The images of `view.spec.template`."""
    return text("Images", lambda view: container_images(view.spec.template), description, wide=True)


def selector(description: str) -> Column:
    """The label selector `view.spec.selector`."""
    return text("Selector", lambda view: selector_text(view.spec.selector), description, wide=True)


def _created_at(view: Row) -> Cell:
    created = view.metadata.creation_timestamp
    return format_time(created) if created else "<unknown>"


CREATED_AT = Column(
    name="Created At",
    type="date",
    cell=_created_at,
    description="CreationTimestamp is a timestamp representing the server time when this object was created.",
)
"""What kinds show that have no printer of their own."""
