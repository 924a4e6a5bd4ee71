"""Reading image archives: OCI layouts, and what `docker save` wrote before it used them.

https://github.com/opencontainers/image-spec/blob/main/image-layout.md
"""

import tarfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from lab.errors import LabError
from lab.images import oci


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A manifest to be pushed: its own bytes, and the digests of the blobs and manifests that it needs."""

    media_type: str
    body: bytes
    blobs: tuple[str, ...] = ()
    manifests: tuple["Manifest", ...] = ()

    @property
    def digest(self) -> str:
        return oci.digest(self.body)


class Archive:
    """An opened archive: named images, and blobs by digest."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._members = {member.name.removeprefix("./"): member for member in tar.getmembers()}
        self._loose: dict[str, bytes | str] = {}
        if "index.json" in self._members:
            self.images = self._from_layout()
        elif "manifest.json" in self._members:
            self.images = self._from_docker()
        else:
            raise LabError("it holds neither index.json nor manifest.json")
        if not self.images:
            raise LabError("no image in it has a name")

    images: Mapping[str, Manifest]
    """Image name, as it stands in the archive -> manifest."""

    def blob(self, digest: str) -> bytes:
        kept = self._loose.get(digest)
        if isinstance(kept, bytes):
            return kept
        body = self._read(kept or f"blobs/{digest.replace(':', '/')}")
        if oci.digest(body) != digest:
            raise LabError(f"the content of {digest} does not match its name")
        return body

    def _from_layout(self) -> dict[str, Manifest]:
        found: dict[str, Manifest] = {}
        for listed in self._json("index.json").get("manifests", ()):
            notes = listed.get("annotations") or {}
            name = notes.get(oci.CONTAINERD_NAME) or notes.get(oci.REF_NAME)
            if name:
                found[name] = self._manifest(listed)
        return found

    def _manifest(self, listed: Mapping[str, Any]) -> Manifest:
        body = self.blob(listed["digest"])
        content = _decoded(body)
        inner = [entry for entry in content.get("manifests", ()) if self._has(entry["digest"])]
        blobs = [entry["digest"] for entry in (content.get("config"), *content.get("layers", ())) if entry]
        media_type = listed.get("mediaType") or content.get("mediaType") or oci.MANIFEST
        nested = tuple(self._manifest(entry) for entry in inner)
        return Manifest(media_type=media_type, body=body, blobs=tuple(blobs), manifests=nested)

    def _from_docker(self) -> dict[str, Manifest]:
        found: dict[str, Manifest] = {}
        for image in self._json("manifest.json"):
            config = self._read(image["Config"])
            self._loose[oci.digest(config)] = config
            layers: list[dict[str, Any]] = []
            for path in image["Layers"]:
                described = oci.descriptor(self._read(path), oci.LAYER)
                self._loose[described["digest"]] = path
                layers.append(described)
            content = {
                "schemaVersion": 2, "mediaType": oci.MANIFEST, "config": oci.descriptor(config, oci.CONFIG),
                "layers": layers,
            }  # fmt: skip
            blobs = (oci.digest(config), *(layer["digest"] for layer in layers))
            manifest = Manifest(media_type=oci.MANIFEST, body=msgspec.json.encode(content), blobs=blobs)
            found |= dict.fromkeys(image.get("RepoTags") or (), manifest)
        return found

    def _has(self, digest: str) -> bool:
        return f"blobs/{digest.replace(':', '/')}" in self._members

    def _json(self, path: str) -> Any:
        return _decoded(self._read(path))

    def _read(self, path: str) -> bytes:
        member = self._members.get(path)
        file = self._tar.extractfile(member) if member is not None else None
        if file is None:
            raise LabError(f"{path} is missing from it")
        return file.read()


@contextmanager
def opened(path: Path) -> Generator[Archive]:
    """An archive, for reading. LabError naming the file when it is none, or damaged."""
    try:
        with tarfile.open(path) as tar:
            yield Archive(tar)
    except LabError as error:
        raise LabError(f"{path} is no usable image archive: {error}") from error
    except OSError as error:
        raise LabError(f"{path} cannot be read: {error.strerror}") from error
    except (tarfile.TarError, KeyError, TypeError, EOFError) as error:
        raise LabError(f"{path} is no usable image archive: {str(error).partition(chr(10))[0]}") from error


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise LabError(f"its JSON is damaged: {error}") from error
