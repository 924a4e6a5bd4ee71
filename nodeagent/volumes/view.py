"""What the agent reads of a pod's volumes."""

from __future__ import annotations

import msgspec


class View(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Base of the agent's narrow views: unknown fields are passed over, missing ones have their API default."""


class KeyToPath(View, frozen=True):
    key: str = ""
    path: str = ""
    mode: int | None = None


class ObjectFieldSelector(View, frozen=True):
    api_version: str = "v1"
    field_path: str = ""


class ResourceFieldSelector(View, frozen=True):
    container_name: str = ""
    resource: str = ""
    divisor: str | int = "0"


class ConfigMapSource(View, frozen=True):
    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    default_mode: int | None = None
    optional: bool = False


class SecretSource(View, frozen=True):
    # `secretName` in a volume of its own, `name` inside a projected one.
    secret_name: str = ""
    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    default_mode: int | None = None
    optional: bool = False


class DownwardAPIFile(View, frozen=True):
    path: str = ""
    field_ref: ObjectFieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    mode: int | None = None


class DownwardAPISource(View, frozen=True):
    items: tuple[DownwardAPIFile, ...] = ()
    default_mode: int | None = None


class ServiceAccountTokenSource(View, frozen=True):
    audience: str = ""
    expiration_seconds: int = 3600
    path: str = ""


class ProjectionSource(View, frozen=True):
    config_map: ConfigMapSource | None = None
    secret: SecretSource | None = None
    downward_api: DownwardAPISource | None = msgspec.field(name="downwardAPI", default=None)
    service_account_token: ServiceAccountTokenSource | None = None


class ProjectedSource(View, frozen=True):
    sources: tuple[ProjectionSource, ...] = ()
    default_mode: int | None = None


class EmptyDirSource(View, frozen=True):
    medium: str = ""
    size_limit: str | int | None = None


class HostPathSource(View, frozen=True):
    path: str = ""
    type: str = ""


class Volume(View, frozen=True):
    name: str = ""
    empty_dir: EmptyDirSource | None = None
    host_path: HostPathSource | None = None
    config_map: ConfigMapSource | None = None
    secret: SecretSource | None = None
    downward_api: DownwardAPISource | None = msgspec.field(name="downwardAPI", default=None)
    projected: ProjectedSource | None = None
