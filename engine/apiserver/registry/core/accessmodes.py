"""How volumes may be mounted: the modes and their rules, which claims and volumes share."""

from __future__ import annotations

from apimachinery.objects import quantity
from apimachinery.objects.field import FieldError, forbidden, invalid, not_supported, required
from engine.apiserver.registry.kind import Json

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")
_SHORT = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def modes_text(modes: list[str]) -> str:
    """`RWO,ROX`, in upstream's order, each once."""
    return ",".join(short for mode, short in _SHORT.items() if mode in modes)


def append_mode_errors(errors: list[FieldError], spec: Json, path: str) -> None:
    """Judge accessModes and volumeMode."""
    modes: list[str] = spec.get("accessModes", [])
    if not modes:
        errors.append(required(f"{path}.accessModes", "at least 1 access mode is required"))
    errors += (not_supported(f"{path}.accessModes", mode, ACCESS_MODES) for mode in modes if mode not in ACCESS_MODES)
    if "ReadWriteOncePod" in modes and len(set(modes)) > 1:
        detail = "may not use ReadWriteOncePod with other access modes"
        errors.append(forbidden(f"{path}.accessModes", detail))
    mode = spec.get("volumeMode")
    if mode is not None and mode not in VOLUME_MODES:
        errors.append(not_supported(f"{path}.volumeMode", mode, VOLUME_MODES))


def append_size_errors(errors: list[FieldError], amount: str, path: str) -> None:
    """Judge an amount of storage that must be something."""
    if quantity.parse(amount) <= 0:
        errors.append(invalid(path, amount, "must be greater than zero"))
