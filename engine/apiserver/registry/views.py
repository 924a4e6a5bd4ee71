"""Narrow views and cells that the tables of most kinds share."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec

from engine.apiserver.registry.kind import Cell, Column, Since

NONE = "<none>"
UNSET = "<unset>"


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """What every table reads of an object's metadata."""

    name: str = ""
    namespace: str = ""
    labels: dict[str, str] = {}
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None


class Row(Protocol):
    """Any table view."""

    @property
    def metadata(self) -> Metadata: ...


class Container(msgspec.Struct, frozen=True):
    """What workloads' tables read of their containers."""

    name: str = ""
    image: str = ""


class PodSpec(msgspec.Struct, frozen=True, rename="camel"):
    """What workloads' tables read of their template's spec."""

    containers: list[Container] = []
    node_selector: dict[str, str] = {}


class Template(msgspec.Struct, frozen=True):
    """What workloads' tables read of their template."""

    spec: PodSpec = PodSpec()


class WithPodSpec(Protocol):
    """Any view of a template."""

    @property
    def spec(self) -> PodSpec: ...


class Requirement(msgspec.Struct, frozen=True):
    """An expression of a label selector."""

    key: str = ""
    operator: str = ""
    values: list[str] = []


class Selector(msgspec.Struct, frozen=True, rename="camel"):
    """A label selector."""

    match_labels: dict[str, str] = {}
    match_expressions: list[Requirement] = []


def name(view: Row) -> Cell:
    """The Name cell."""
    return view.metadata.name


def since(when: datetime | None) -> Since:
    """A cell that shows how long ago something was."""
    return Since(when.timestamp() if when else None)


def age(view: Row) -> Cell:
    """The Age cell."""
    return since(view.metadata.creation_timestamp)


def labels_text(labels: dict[str, str]) -> str:
    """Labels as `a=b,c=d`, `<none>` for none."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or NONE


def selector_text(selector: Selector | None) -> str:
    """A label selector as kubectl's columns show it."""
    if selector is None:
        return NONE
    terms = [f"{key}={value}" for key, value in sorted(selector.match_labels.items())]
    for requirement in selector.match_expressions:
        values = ",".join(sorted(requirement.values))
        match requirement.operator:
            case "In":
                terms.append(f"{requirement.key} in ({values})")
            case "NotIn":
                terms.append(f"{requirement.key} notin ({values})")
            case "Exists":
                terms.append(requirement.key)
            case _:
                terms.append(f"!{requirement.key}")
    return ",".join(terms) or NONE


def container_names(template: WithPodSpec) -> str:
    """The names of a template's containers."""
    return ",".join(container.name for container in template.spec.containers)


def container_images(template: WithPodSpec) -> str:
    """The images of a template's containers."""
    return ",".join(container.image for container in template.spec.containers)


NAME = Column(name="Name", format="name", cell=name)
AGE = Column(name="Age", cell=age)
