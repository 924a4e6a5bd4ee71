"""ConfigMap: plain configuration data, frozen when `immutable` is set."""

from __future__ import annotations

import msgspec

from engine.apiserver.registry.kind import Column, Kind
from engine.apiserver.registry.views import Metadata, age, name


class ConfigMapRow(msgspec.Struct, frozen=True, rename="camel"):
    """What the table cells read."""

    metadata: Metadata
    data: dict[str, msgspec.Raw] | None = None
    binary_data: dict[str, msgspec.Raw] | None = None


def _entries(view: ConfigMapRow) -> int:
    return len(view.data or ()) + len(view.binary_data or ())


CONFIG_MAP = Kind(
    group="",
    version="v1",
    kind="ConfigMap",
    plural="configmaps",
    singular="configmap",
    namespaced=True,
    short_names=("cm",),
    table_view=ConfigMapRow,
    columns=(
        Column(name="Name", format="name", cell=name),
        Column(name="Data", cell=_entries),
        Column(name="Age", cell=age),
    ),
)
