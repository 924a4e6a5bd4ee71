"""Which files a configMap, secret, downwardAPI or projected volume holds: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from nodeagent.volumes.fields import PodFacts, field_text, resource_text
from nodeagent.volumes.objects import CONFIG_MAP, SECRET, TOKEN, Contents, MissingReference, Reference, token_key
from nodeagent.volumes.view import (
    DownwardAPISource,
    KeyToPath,
    ProjectedSource,
    ServiceAccountTokenSource,
    Volume,
)

DEFAULT_MODE = 0o644
# With a group of its own for volumes, a pod's token is for that group alone.
_PRIVATE_MODE = 0o600


@dataclass(frozen=True, slots=True)
class File:
    content: bytes
    mode: int


Payload = Mapping[str, File]


def references(volumes: Sequence[Volume]) -> set[Reference]:
    """The objects whose content these volumes show."""
    found: set[Reference] = set()
    for volume in volumes:
        if volume.config_map is not None:
            found.add((CONFIG_MAP, volume.config_map.name))
        if volume.secret is not None:
            found.add((SECRET, volume.secret.secret_name))
        if volume.projected is not None:
            for source in volume.projected.sources:
                if source.config_map is not None:
                    found.add((CONFIG_MAP, source.config_map.name))
                if source.secret is not None:
                    found.add((SECRET, source.secret.name))
    return found


def token_sources(volumes: Sequence[Volume]) -> list[ServiceAccountTokenSource]:
    """The tokens that these volumes show."""
    return [
        source.service_account_token
        for volume in volumes
        if volume.projected is not None
        for source in volume.projected.sources
        if source.service_account_token is not None
    ]


def payload(volume: Volume, pod: PodFacts, contents: Contents) -> Payload | None:
    """The files of a volume, by path; None for a volume that is no projection. Raises MissingReference, FieldError."""
    if (config_map := volume.config_map) is not None:
        content = contents.get(CONFIG_MAP, config_map.name, optional=config_map.optional)
        mode = _mode(config_map.default_mode)
        return _keys(CONFIG_MAP, content, config_map.items, mode, optional=config_map.optional)
    if (secret := volume.secret) is not None:
        content = contents.get(SECRET, secret.secret_name, optional=secret.optional)
        return _keys(SECRET, content, secret.items, _mode(secret.default_mode), optional=secret.optional)
    if volume.downward_api is not None:
        return _downward(volume.downward_api, pod, _mode(volume.downward_api.default_mode))
    if volume.projected is not None:
        return _projected(volume.projected, pod, contents)
    return None


def _projected(projected: ProjectedSource, pod: PodFacts, contents: Contents) -> Payload:
    mode = _mode(projected.default_mode)
    files: dict[str, File] = {}
    for source in projected.sources:
        if (config_map := source.config_map) is not None:
            content = contents.get(CONFIG_MAP, config_map.name, optional=config_map.optional)
            files |= _keys(CONFIG_MAP, content, config_map.items, mode, optional=config_map.optional)
        if (secret := source.secret) is not None:
            content = contents.get(SECRET, secret.name, optional=secret.optional)
            files |= _keys(SECRET, content, secret.items, mode, optional=secret.optional)
        if source.downward_api is not None:
            files |= _downward(source.downward_api, pod, mode)
        if (token := source.service_account_token) is not None:
            content = contents.get(TOKEN, token_key(token), optional=False)
            files[_safe(token.path)] = File(content[TOKEN], mode if pod.fs_group is None else _PRIVATE_MODE)
    return files


def _keys(
    kind: str, content: Mapping[str, bytes], items: Sequence[KeyToPath], mode: int, *, optional: bool
) -> dict[str, File]:
    if not items:
        return {key: File(value, mode) for key, value in content.items()}
    files: dict[str, File] = {}
    for item in items:
        if item.key not in content:
            if optional:
                continue
            raise MissingReference(
                f"configmap references non-existent config key: {item.key}"
                if kind == CONFIG_MAP
                else f"references non-existent secret key: {item.key}"
            )
        files[_safe(item.path)] = File(content[item.key], mode if item.mode is None else item.mode)
    return files


def _downward(source: DownwardAPISource, pod: PodFacts, mode: int) -> dict[str, File]:
    files: dict[str, File] = {}
    for item in source.items:
        if item.field_ref is not None:
            text = field_text(pod, item.field_ref)
        elif item.resource_field_ref is not None:
            text = resource_text(pod, item.resource_field_ref, "")
        else:
            continue
        files[_safe(item.path)] = File(text.encode(), mode if item.mode is None else item.mode)
    return files


def _mode(asked: int | None) -> int:
    return DEFAULT_MODE if asked is None else asked


def _safe(path: str) -> str:
    """Paths that leave the volume are refused at admission already; never trust that with root's rights."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts:
        raise MissingReference(f"path {path!r} must be relative and must not contain '..'")
    return str(pure)
