"""redis as the official image has it: the server in the foreground on 6379, its data in /data."""

from lab.images.busybox import PATH, base_layer
from lab.images.debian import program, with_libraries
from lab.images.oci import Entry, Image, folder, text

_ENTRYPOINT = """\
#!/bin/sh
set -e
# options or a configuration file alone are meant for the server
if [ "${1#-}" != "$1" ] || [ "${1%.conf}" != "$1" ]; then
    set -- redis-server "$@"
fi
# a container's port is reached from other pods, or it would be of no use
if [ "$1" = "redis-server" ]; then
    exec "$@" --protected-mode no
fi
exec "$@"
"""


def redis(architecture: str) -> Image:
    return Image(
        name="docker.io/library/redis:latest",
        layers=(base_layer(), _program_layer()),
        config={
            "Entrypoint": ["docker-entrypoint.sh"],
            "Cmd": ["redis-server"],
            "Env": [PATH],
            "ExposedPorts": {"6379/tcp": {}},
            "Volumes": {"/data": {}},
            "WorkingDir": "/data",
        },
        architecture=architecture,
    )


def _program_layer() -> tuple[Entry, ...]:
    programs = [
        program("redis-server", "redis-server"), program("redis-cli", "redis-tools"), program("bash", "bash")
    ]  # fmt: skip
    return (
        *with_libraries(programs),
        text("usr/local/bin/docker-entrypoint.sh", _ENTRYPOINT, 0o755),
        folder("data"),
    )
