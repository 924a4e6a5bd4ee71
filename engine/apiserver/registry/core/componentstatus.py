"""ComponentStatus: whether the parts of the control plane are well. Found out when somebody asks, and read-only."""

from __future__ import annotations

import msgspec

from engine.apiserver.registry import columns
from engine.apiserver.registry.kind import Kind
from engine.apiserver.registry.views import NAME, Metadata


class _Condition(msgspec.Struct, frozen=True):
    type: str = ""
    status: str = ""
    message: str = ""
    error: str = ""


class ComponentRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    conditions: list[_Condition] = []

    @property
    def health(self) -> _Condition:
        """The one condition that there is."""
        return next((each for each in self.conditions if each.type == "Healthy"), _Condition())


COMPONENT_STATUS = Kind(
    group="",
    version="v1",
    kind="ComponentStatus",
    plural="componentstatuses",
    singular="componentstatus",
    namespaced=False,
    short_names=("cs",),
    verbs=("get", "list"),
    measured=True,
    warning="v1 ComponentStatus is deprecated in v1.19+",
    table_view=ComponentRow,
    columns=(
        NAME,
        columns.text(
            "Status",
            lambda view: "Healthy" if view.health.status == "True" else "Unhealthy",
            "Status of the component conditions",
        ),
        columns.text("Message", lambda view: view.health.message, "Message of the component conditions"),
        columns.text("Error", lambda view: view.health.error, "Error of the component conditions"),
    ),
)
