"""ServiceAccount: what pods are known as to the API."""

from __future__ import annotations

import msgspec

from engine.apiserver.registry import names
from engine.apiserver.registry.kind import Column, Kind, Subresource
from engine.apiserver.registry.views import AGE, NAME, Metadata


class ServiceAccountRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    secrets: list[msgspec.Raw] = []


SERVICE_ACCOUNT = Kind(
    group="",
    version="v1",
    kind="ServiceAccount",
    plural="serviceaccounts",
    singular="serviceaccount",
    namespaced=True,
    short_names=("sa",),
    subresources={
        "token": Subresource(
            name="token", verbs=("create",), kind="TokenRequest", group="authentication.k8s.io", version="v1"
        ),
    },
    name_errors=names.dns_subdomain,
    returns_deleted=True,
    table_view=ServiceAccountRow,
    columns=(
        NAME,
        Column(
            name="Secrets",
            cell=lambda view: len(view.secrets),
            description="Secrets is a list of the secrets in the same namespace that pods running using this"
            " ServiceAccount are allowed to use.",
        ),
        AGE,
    ),
)
