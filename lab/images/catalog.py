"""Every image that can be built, by its short name."""

from collections.abc import Callable, Mapping
from functools import partial

from lab.images.busybox import busybox
from lab.images.flask import flask_helloworld
from lab.images.nginx import LATEST, VERSIONS, nginx
from lab.images.oci import Image
from lab.images.redis import redis

CATALOG: Mapping[str, Callable[[str], Image]] = {
    "busybox": busybox,
    **{f"nginx-{version}": partial(nginx, version, version) for version in VERSIONS},
    "nginx": partial(nginx, "latest", LATEST),
    "redis": redis,
    "flask-helloworld": flask_helloworld,
}
"""File name without ".tar" -> the image for an architecture. Making an Image reads no big file: building does."""
