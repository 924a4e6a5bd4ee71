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


class ClaimSource(View, frozen=True):
    claim_name: str = ""
    read_only: bool = False


class EphemeralSource(View, frozen=True):
    """A claim named after pod and volume; what it asks for is the engine's business."""


class NfsSource(View, frozen=True):
    server: str = ""
    path: str = ""
    read_only: bool = False


class SecretReference(View, frozen=True):
    # In a pod's own volume the namespace is the pod's.
    name: str = ""
    namespace: str = ""


class CsiSource(View, frozen=True):
    """A driver's volume; in a pod's own one there is no handle."""

    driver: str = ""
    volume_handle: str = ""
    read_only: bool = False
    fs_type: str = ""
    volume_attributes: dict[str, str] = {}
    node_stage_secret_ref: SecretReference | None = None
    node_publish_secret_ref: SecretReference | None = None


class LocalSource(View, frozen=True):
    path: str = ""
    fs_type: str = ""


class Volume(View, frozen=True):
    name: str = ""
    persistent_volume_claim: ClaimSource | None = None
    ephemeral: EphemeralSource | None = None
    nfs: NfsSource | None = None
    csi: CsiSource | None = None
    empty_dir: EmptyDirSource | None = None
    host_path: HostPathSource | None = None
    config_map: ConfigMapSource | None = None
    secret: SecretSource | None = None
    downward_api: DownwardAPISource | None = msgspec.field(name="downwardAPI", default=None)
    projected: ProjectedSource | None = None

    @property
    def is_projection(self) -> bool:
        """Shows what objects of the API hold, and changes with them."""
        shown = (self.config_map, self.secret, self.downward_api, self.projected)
        return any(source is not None for source in shown)

    @property
    def is_bounded(self) -> bool:
        """An emptyDir on disk that may hold only so much: nothing but a look now and then can tell."""
        source = self.empty_dir
        return source is not None and not source.medium and source.size_limit is not None
