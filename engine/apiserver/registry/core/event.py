"""Event: something that happened to an object, for people to read. Served by two groups over one storage."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec

from apimachinery.objects.field import FieldError, invalid
from engine.apiserver.registry import names
from engine.apiserver.registry.kind import Cell, Column, Json, Kind
from engine.apiserver.registry.views import Metadata, name, since


class Reference(msgspec.Struct, frozen=True, rename="camel"):
    """The object that an event is about."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    api_version: str = ""
    resource_version: str = ""
    field_path: str = ""


class Source(msgspec.Struct, frozen=True):
    """Who reported the event, before there were reporting components."""

    component: str = ""
    host: str = ""


class Series(msgspec.Struct, frozen=True, rename="camel"):
    """How often an event has happened again."""

    count: int = 0
    last_observed_time: datetime | None = None


class EventRow(msgspec.Struct, frozen=True, rename="camel"):
    """What the table cells read."""

    metadata: Metadata
    involved_object: Reference = Reference()
    type: str = ""
    reason: str = ""
    message: str = ""
    count: int = 0
    source: Source = Source()
    series: Series | None = None
    first_timestamp: datetime | None = None
    last_timestamp: datetime | None = None
    event_time: datetime | None = None
    reporting_component: str = ""
    reporting_instance: str = ""


class EventFields(msgspec.Struct, frozen=True, rename="camel"):
    """What field selectors read."""

    involved_object: Reference = Reference()
    type: str = ""
    reason: str = ""
    source: Source = Source()
    reporting_component: str = ""


class Labelled(Protocol):
    """A view that has what field selectors read."""

    @property
    def involved_object(self) -> Reference: ...
    @property
    def type(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def source(self) -> Source: ...
    @property
    def reporting_component(self) -> str: ...


def event_labels(view: Labelled) -> dict[str, str]:
    """The selectable fields of an event, under the core group's names."""
    about = view.involved_object
    return {
        "involvedObject.kind": about.kind,
        "involvedObject.namespace": about.namespace,
        "involvedObject.name": about.name,
        "involvedObject.uid": about.uid,
        "involvedObject.apiVersion": about.api_version,
        "involvedObject.resourceVersion": about.resource_version,
        "involvedObject.fieldPath": about.field_path,
        "reason": view.reason,
        "reportingComponent": view.reporting_component,
        "source": view.source.component or view.reporting_component,
        "type": view.type,
    }


def _first_seen(view: EventRow) -> Cell:
    return since(view.first_timestamp or view.event_time)


def _last_seen(view: EventRow) -> Cell:
    if view.series is not None:
        return since(view.series.last_observed_time)
    return since(view.last_timestamp or view.first_timestamp or view.event_time)


def _count(view: EventRow) -> Cell:
    return view.series.count if view.series is not None else view.count or 1


def _object(view: EventRow) -> Cell:
    about = view.involved_object
    return f"{about.kind.lower()}/{about.name}" if about.name else about.kind.lower()


def _source(view: EventRow) -> Cell:
    component = view.source.component or view.reporting_component
    host = view.source.host if view.source.component else view.reporting_instance
    return f"{component}, {host}" if host else component


def _validate(obj: Json) -> list[FieldError]:
    namespace = obj["metadata"].get("namespace", "")
    about: str = obj.get("involvedObject", {}).get("namespace", "")
    if about != namespace and (about or namespace not in {"", "default", "kube-system"}):
        return [invalid("involvedObject.namespace", about, "does not match event.namespace")]
    return []


EVENT_COLUMNS = (
    Column(name="Last Seen", cell=_last_seen, description="The time at which the most recent occurrence was recorded."),
    Column(name="Type", cell=lambda view: view.type, description="Type of this event (Normal, Warning)"),
    Column(name="Reason", cell=lambda view: view.reason, description="Why this event was generated."),
    Column(name="Object", cell=_object, description="The object that this event is about."),
    Column(
        name="Subobject",
        priority=1,
        cell=lambda view: view.involved_object.field_path,
        description="The part of the object that this event is about.",
    ),
    Column(name="Source", priority=1, cell=_source, description="The component reporting this event."),
    Column(name="Message", cell=lambda view: view.message.strip(), description="What happened."),
    Column(
        name="First Seen",
        priority=1,
        cell=_first_seen,
        description="The time at which the event was first recorded.",
    ),
    Column(
        name="Count",
        type="integer",
        priority=1,
        cell=_count,
        description="The number of times this event has occurred.",
    ),
    Column(name="Name", format="name", priority=1, cell=name),
)

EVENT = Kind(
    group="",
    version="v1",
    kind="Event",
    plural="events",
    singular="event",
    namespaced=True,
    short_names=("ev",),
    name_errors=names.dns_subdomain,
    validate=_validate,
    allow_create_on_update=True,
    columns=EVENT_COLUMNS,
    table_view=EventRow,
    field_view=EventFields,
    field_labels=event_labels,
)
