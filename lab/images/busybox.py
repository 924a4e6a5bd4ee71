"""busybox: one static program under many names; the first layer of every other image as well."""

import subprocess

from lab.images.debian import program
from lab.images.oci import Entry, Image, copy, folder, link, text

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_PASSWD = """\
root:x:0:0:root:/root:/bin/sh
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
nginx:x:101:101:nginx user:/nonexistent:/bin/false
redis:x:999:999::/home/redis:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
_GROUP = "root:x:0:\ntty:x:5:\nwww-data:x:33:\nnginx:x:101:\nredis:x:999:\nnogroup:x:65534:\n"


def base_layer() -> tuple[Entry, ...]:
    """A root with Debian's folders, users and busybox's applets."""
    busybox = program("busybox", "busybox-static")
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    return (
        copy("usr/bin/busybox", busybox),
        *(link(f"usr/bin/{applet}", "busybox") for applet in applets if applet != "busybox"),
        *(link(name, f"usr/{name}") for name in ("bin", "sbin", "lib", "lib64")),
        *(folder(name) for name in ("usr/sbin", "usr/lib", "usr/lib64", "etc", "home", "mnt", "opt", "srv", "var/log")),
        *(folder(name) for name in ("dev", "proc", "sys", "run", "usr/local/bin", "var/lib", "var/cache")),
        folder("root", 0o700),
        folder("tmp", 0o1777),
        folder("var/tmp", 0o1777),
        link("var/run", "/run"),
        text("etc/passwd", _PASSWD),
        text("etc/group", _GROUP),
        text("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
    )


def busybox(architecture: str) -> Image:
    return Image(
        name="docker.io/library/busybox:latest",
        layers=(base_layer(),),
        config={"Cmd": ["sh"], "Env": [PATH]},
        architecture=architecture,
    )
