"""Build the catalog's images into a folder; what has not changed is left alone.

Beside each archive lies `.key`, the fingerprint of all that went into it.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from lab.images.catalog import CATALOG
from lab.images.debian import host_architecture
from lab.images.oci import archive

IMAGES_FOLDER = "images"
"""Where in the data folder the archives are kept."""


def build_all(
    target: Path,
    names: Iterable[str] = tuple(CATALOG),
    *,
    on_image: Callable[[str, bool], None] = lambda _name, _built: None,
) -> list[Path]:
    """The archives of the images `names`, built where they are missing or stale.

    `on_image` hears each image's full name and whether it had to be built. LabError names a package that is missing.
    """
    architecture = host_architecture()
    target.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for name in names:
        image = CATALOG[name](architecture)
        path = target / f"{name}.tar"
        key = path.with_suffix(".key")
        fingerprint = image.fingerprint()
        stale = not path.exists() or not key.exists() or key.read_text() != fingerprint
        if stale:
            key.unlink(missing_ok=True)
            fresh = path.with_suffix(".tmp")
            fresh.write_bytes(archive(image))
            fresh.replace(path)
            key.write_text(fingerprint)
        on_image(image.name, stale)
        paths.append(path)
    return paths
