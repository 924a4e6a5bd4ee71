"""What the agent reads of a pod's volumes."""

from __future__ import annotations

import msgspec


class View(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Base of the agent's narrow views: unknown fields are passed over, missing ones have their API default."""


class KeyToPath(View):
    key: str = ""
    path: str = ""
    mode: int | None = None


class ObjectFieldSelector(View):
    api_version: str = "v1"
    field_path: str = ""


class ResourceFieldSelector(View):
    container_name: str = ""
    resource: str = ""
    divisor: str | int = "0"


class ConfigMapSource(View):
    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    default_mode: int | None = None
    optional: bool = False


class SecretSource(View):
    # `secretName` in a volume of its own, `name` inside a projected one.
    secret_name: str = ""
    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    default_mode: int | None = None
    optional: bool = False


class DownwardAPIFile(View):
    path: str = ""
    field_ref: ObjectFieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    mode: int | None = None


class DownwardAPISource(View):
    items: tuple[DownwardAPIFile, ...] = ()
    default_mode: int | None = None


class ServiceAccountTokenSource(View):
    audience: str = ""
    expiration_seconds: int = 3600
    path: str = ""


class ProjectionSource(View):
    config_map: ConfigMapSource | None = None
    secret: SecretSource | None = None
    downward_api: DownwardAPISource | None = msgspec.field(name="downwardAPI", default=None)
    service_account_token: ServiceAccountTokenSource | None = None


class ProjectedSource(View):
    sources: tuple[ProjectionSource, ...] = ()
    default_mode: int | None = None


class EmptyDirSource(View):
    medium: str = ""
    size_limit: str | int | None = None


class HostPathSource(View):
    path: str = ""
    type: str = ""


class Volume(View):
    name: str = ""
    empty_dir: EmptyDirSource | None = None
    host_path: HostPathSource | None = None
    config_map: ConfigMapSource | None = None
    secret: SecretSource | None = None
    downward_api: DownwardAPISource | None = msgspec.field(name="downwardAPI", default=None)
    projected: ProjectedSource | None = None
