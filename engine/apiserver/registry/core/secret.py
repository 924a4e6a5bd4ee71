"""Secret: data that is not for everybody's eyes; each type demands certain keys."""

from __future__ import annotations

import base64

import msgspec

from apimachinery.objects.field import FieldError, immutable, invalid, required, too_long
from engine.apiserver.registry import names
from engine.apiserver.registry.core.configmap import LARGEST, frozen_errors
from engine.apiserver.registry.kind import Column, Context, Json, Kind
from engine.apiserver.registry.views import AGE, NAME, Metadata

_ACCOUNT_NAME = "kubernetes.io/service-account.name"
_DEMANDED = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
_JSON_KEYS = {"kubernetes.io/dockercfg": ".dockercfg", "kubernetes.io/dockerconfigjson": ".dockerconfigjson"}


class SecretRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    type: str = ""
    data: dict[str, msgspec.Raw] = {}


class SecretFields(msgspec.Struct, frozen=True):
    """What field selectors read."""

    type: str = ""


def _set_defaults(obj: Json) -> None:
    obj["type"] = obj.get("type") or "Opaque"
    plain: dict[str, str] = obj.pop("stringData", None) or {}
    if plain:
        data: dict[str, str] = obj.setdefault("data", {})
        data.update({key: base64.b64encode(value.encode()).decode() for key, value in plain.items()})


def _validate(obj: Json) -> list[FieldError]:
    data: dict[str, str] = obj.get("data", {})
    kind: str = obj["type"]
    errors = [invalid(f"data[{key}]", key, message) for key in data for message in names.config_key(key)]
    if sum(len(value) * 3 // 4 for value in data.values()) > LARGEST:
        errors.append(too_long("data", LARGEST))
    errors += (required(f"data[{key}]") for key in _DEMANDED.get(kind, ()) if key not in data)
    if kind == "kubernetes.io/basic-auth" and not data.keys() & {"username", "password"}:
        errors += (required("data[username]"), required("data[password]"))
    named = obj["metadata"].get("annotations", {}).get(_ACCOUNT_NAME)
    if kind == "kubernetes.io/service-account-token" and not named:
        errors.append(required(f"metadata.annotations[{_ACCOUNT_NAME}]"))
    key = _JSON_KEYS.get(kind)
    if key is not None and key in data:
        try:
            msgspec.json.decode(base64.b64decode(data[key]))
        except ValueError as error:
            errors.append(invalid(f"data[{key}]", "<secret contents redacted>", str(error)))
    return errors


def _prepare_update(new: Json, old: Json, _context: Context) -> None:
    if not new.get("type"):
        new["type"] = old["type"]


def _validate_update(new: Json, old: Json) -> list[FieldError]:
    errors = [] if new["type"] == old["type"] else [immutable("type", new["type"])]
    return errors + frozen_errors(new, old, "data")


SECRET = Kind(
    group="",
    version="v1",
    kind="Secret",
    plural="secrets",
    singular="secret",
    namespaced=True,
    name_errors=names.dns_subdomain,
    set_defaults=_set_defaults,
    validate=_validate,
    prepare_update=_prepare_update,
    validate_update=_validate_update,
    table_view=SecretRow,
    columns=(
        NAME,
        Column(name="Type", cell=lambda view: view.type, description="Used to facilitate programmatic handling"),
        Column(name="Data", cell=lambda view: len(view.data), description="Number of entries"),
        AGE,
    ),
    field_view=SecretFields,
    field_labels=lambda view: {"type": view.type},
)
