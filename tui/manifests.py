"""Manifests in files: what a folder has of them, and the objects in one. Blocking; for threads."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

JSON = dict[str, Any]
SUFFIXES = (".yaml", ".yml", ".json")
LARGEST = 8_000_000
"""Bytes of a file that is read at all."""


class ManifestError(Exception):
    """A file that holds no objects; the message names it and what is wrong."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A folder, or a file of manifests."""

    path: Path
    folder: bool
    size: int = 0
    changed_at: float = 0.0


def entries(folder: Path) -> list[Entry]:
    """Folders first. Raises OSError."""
    found: list[Entry] = []
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        try:
            status = path.stat()
        except OSError:
            continue
        if path.is_dir():
            found.append(Entry(path, folder=True))
        elif path.suffix in SUFFIXES:
            found.append(Entry(path, folder=False, size=status.st_size, changed_at=status.st_mtime))
    return sorted(found, key=lambda entry: (not entry.folder, entry.path.name))


def objects_in(path: Path) -> list[JSON]:
    """In their order; a List's items in its place. Raises ManifestError and OSError."""
    import yaml  # only who looks at files waits for it

    if path.stat().st_size > LARGEST:
        raise ManifestError(f"{path.name}: larger than {LARGEST // 1_000_000} MB")
    try:
        documents = [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one is not None]
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path.name}: {' '.join(str(error).split())}") from error
    found: list[JSON] = []
    for number, document in enumerate(documents, start=1):
        for obj in _items(document):
            if not isinstance(obj, dict) or not obj.get("kind") or not obj.get("apiVersion"):
                raise ManifestError(f"{path.name}: document {number} has no kind and apiVersion")
            if not (obj.get("metadata") or {}).get("name"):
                raise ManifestError(f"{path.name}: document {number}, {obj['kind']}, has no metadata.name")
            found.append(obj)
    if not found:
        raise ManifestError(f"{path.name}: no objects in it")
    return found


def _items(document: Any) -> list[Any]:
    if isinstance(document, dict) and isinstance(document.get("items"), list):
        return document["items"]
    return [document]
