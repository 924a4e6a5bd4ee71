"""Event of events.k8s.io/v1: the core group's events under newer names."""

from __future__ import annotations

from datetime import datetime

import msgspec

from apimachinery.objects.field import FieldError, invalid
from engine.apiserver.registry import names
from engine.apiserver.registry.core.event import (
    EVENT_COLUMNS,
    Reference,
    Series,
    Source,
    event_labels,
)
from engine.apiserver.registry.kind import Json, Kind
from engine.apiserver.registry.views import Metadata

# The field here, the same field in storage.
_RENAMED = (
    ("note", "message"),
    ("regarding", "involvedObject"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
)


class EventRow(msgspec.Struct, frozen=True, rename="camel"):
    """What the core group's cells read, under the names of this group."""

    metadata: Metadata = Metadata()
    involved_object: Reference = msgspec.field(default=Reference(), name="regarding")
    type: str = ""
    reason: str = ""
    message: str = msgspec.field(default="", name="note")
    count: int = msgspec.field(default=0, name="deprecatedCount")
    source: Source = msgspec.field(default=Source(), name="deprecatedSource")
    series: Series | None = None
    first_timestamp: datetime | None = msgspec.field(default=None, name="deprecatedFirstTimestamp")
    last_timestamp: datetime | None = msgspec.field(default=None, name="deprecatedLastTimestamp")
    event_time: datetime | None = None
    reporting_component: str = msgspec.field(default="", name="reportingController")
    reporting_instance: str = ""


def _to_storage(obj: Json) -> None:
    for here, stored in _RENAMED:
        if here in obj:
            obj[stored] = obj.pop(here)


def _from_storage(obj: Json) -> None:
    for here, stored in _RENAMED:
        if stored in obj:
            obj[here] = obj.pop(stored)


def _validate(obj: Json) -> list[FieldError]:
    namespace = obj["metadata"].get("namespace", "")
    about: str = obj.get("regarding", {}).get("namespace", "")
    if about != namespace and (about or namespace not in {"", "default", "kube-system"}):
        return [invalid("involvedObject.namespace", about, "does not match event.namespace")]
    return []


def _field_labels(view: EventRow) -> dict[str, str]:
    about = {name.replace("involvedObject", "regarding"): text for name, text in event_labels(view).items()}
    about["reportingController"] = about.pop("reportingComponent")
    about.pop("source")
    return about


EVENTS_EVENT = Kind(
    group="events.k8s.io",
    version="v1",
    kind="Event",
    plural="events",
    singular="event",
    namespaced=True,
    short_names=("ev",),
    stored_as=("", "v1", "events"),
    to_storage=_to_storage,
    from_storage=_from_storage,
    name_errors=names.dns_subdomain,
    validate=_validate,
    allow_create_on_update=True,
    columns=EVENT_COLUMNS,
    table_view=EventRow,
    field_view=EventRow,
    field_labels=_field_labels,
)
