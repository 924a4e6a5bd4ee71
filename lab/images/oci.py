"""OCI images, written byte for byte: layers, configuration, manifest, and the archive that holds them.

Pure but for reading the files that entries name. The same input gives the same bytes, and so the same digest:
https://github.com/opencontainers/image-spec.
"""

import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"

REF_NAME = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One path of a layer: a file (of `content`, or read from `source`), a link to `target`, else a folder."""

    path: str
    mode: int = 0o755
    content: bytes | None = None
    source: Path | None = None
    target: str | None = None
    uid: int = 0
    gid: int = 0

    def fingerprint(self) -> str:
        """Changes whenever the entry's bytes in the layer may change; reads no file."""
        stamp = ""
        if self.source is not None:
            stat = self.source.stat()
            stamp = f"{self.source} {stat.st_size} {stat.st_mtime_ns}"
        return f"{self.path} {self.mode:o} {self.uid} {self.gid} {self.target} {self.content!r} {stamp}"


def folder(path: str, mode: int = 0o755) -> Entry:
    return Entry(path=path, mode=mode)


def text(path: str, content: str, mode: int = 0o644) -> Entry:
    return Entry(path=path, mode=mode, content=content.encode())


def copy(path: str, source: Path, mode: int = 0o755) -> Entry:
    return Entry(path=path, mode=mode, source=source)


def link(path: str, target: str) -> Entry:
    return Entry(path=path, mode=0o777, target=target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image and its full name ("docker.io/library/nginx:1.27"). `config` is OCI's "config": Cmd, Env, and so on."""

    name: str
    layers: tuple[tuple[Entry, ...], ...]
    config: Mapping[str, Any]
    architecture: str

    def fingerprint(self) -> str:
        parts = [self.name, self.architecture, repr(sorted(self.config.items()))]
        parts += [entry.fingerprint() for layer in self.layers for entry in layer]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def layer_tar(entries: Iterable[Entry]) -> bytes:
    """A layer's tar: sorted, parents before children, no times and no names of users in it."""
    wanted = {entry.path.strip("/"): entry for entry in entries}
    for path in list(wanted):
        for parent in PurePosixPath(path).parents:
            if str(parent) != ".":
                wanted.setdefault(str(parent), folder(str(parent)))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(wanted):
            _add(tar, path, wanted[path])
    return buffer.getvalue()


def archive(image: Image) -> bytes:
    """The image as an OCI layout in a tar, as `docker save`, `skopeo` and `ctr images import` exchange them."""
    layers = [layer_tar(layer) for layer in image.layers]
    config = {
        "architecture": image.architecture,
        "os": "linux",
        "config": dict(image.config),
        "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
    }
    config_blob = msgspec.json.encode(config)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(config_blob, CONFIG),
        "layers": [descriptor(layer, LAYER) for layer in layers],
    }
    manifest_blob = msgspec.json.encode(manifest)
    listed = descriptor(manifest_blob, MANIFEST) | {
        "platform": {"os": "linux", "architecture": image.architecture},
        "annotations": {CONTAINERD_NAME: image.name, REF_NAME: image.name},
    }
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [listed]}
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": msgspec.json.encode(index)}
    files |= {f"blobs/sha256/{digest(blob)[7:]}": blob for blob in (config_blob, manifest_blob, *layers)}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path, blob in files.items():
            _add(tar, path, Entry(path=path, mode=0o644, content=blob))
    return buffer.getvalue()


def descriptor(blob: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest(blob), "size": len(blob)}


def _add(tar: tarfile.TarFile, path: str, entry: Entry) -> None:
    info = tarfile.TarInfo(path)
    info.mode, info.uid, info.gid = entry.mode, entry.uid, entry.gid
    content = entry.source.read_bytes() if entry.source is not None else entry.content
    if entry.target is not None:
        info.type, info.linkname = tarfile.SYMTYPE, entry.target
        tar.addfile(info)
    elif content is not None:
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    else:
        info.type = tarfile.DIRTYPE
        tar.addfile(info)
