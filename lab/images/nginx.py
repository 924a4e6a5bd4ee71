"""nginx as the official image has it: same folders, same entrypoint, logs on stdout and stderr.

The tags differ only in a page and a header that name them, so that a rollout from one to the next can be seen.
"""

from pathlib import Path

from lab.images.busybox import PATH, base_layer
from lab.images.debian import program, with_libraries
from lab.images.oci import Entry, Image, copy, folder, link, text

VERSIONS = ("1.27", "1.28")
LATEST = "1.28"

_ENTRYPOINT = """\
#!/bin/sh
set -e
exec "$@"
"""

_NGINX_CONF = """\
user  nginx;
worker_processes  auto;

error_log  /var/log/nginx/error.log notice;
pid        /run/nginx.pid;

events {
    worker_connections  1024;
}

http {
    include       /etc/nginx/mime.types;
    default_type  application/octet-stream;

    log_format  main  '$remote_addr - $remote_user [$time_local] "$request" '
                      '$status $body_bytes_sent "$http_referer" '
                      '"$http_user_agent" "$http_x_forwarded_for"';
    access_log  /var/log/nginx/access.log  main;

    sendfile        on;
    keepalive_timeout  65;
    add_header X-Image-Version "%(version)s" always;

    include /etc/nginx/conf.d/*.conf;
}
"""

_DEFAULT_CONF = """\
server {
    listen       80;
    server_name  localhost;

    location / {
        root   /usr/share/nginx/html;
        index  index.html index.htm;
    }

    error_page   500 502 503 504  /50x.html;
    location = /50x.html {
        root   /usr/share/nginx/html;
    }
}
"""

_PAGE = """\
<!DOCTYPE html>
<html>
<head>
<title>Welcome to nginx!</title>
</head>
<body>
<h1>Welcome to nginx!</h1>
<p>This is nginx:%(version)s.</p>
</body>
</html>
"""

_ERROR_PAGE = (
    "<!DOCTYPE html>\n<html><head><title>Error</title></head><body><h1>An error occurred.</h1></body></html>\n"
)


def nginx(tag: str, version: str, architecture: str) -> Image:
    return Image(
        name=f"docker.io/library/nginx:{tag}",
        layers=(base_layer(), _program_layer(), _version_layer(version)),
        config={
            "Entrypoint": ["/docker-entrypoint.sh"],
            "Cmd": ["nginx", "-g", "daemon off;"],
            "Env": [PATH, f"NGINX_VERSION={version}"],
            "ExposedPorts": {"80/tcp": {}},
            "StopSignal": "SIGQUIT",
        },
        architecture=architecture,
    )


def _program_layer() -> tuple[Entry, ...]:
    return (
        *with_libraries([program("nginx", "nginx-light"), program("bash", "bash")]),
        copy("etc/nginx/mime.types", Path("/etc/nginx/mime.types"), 0o644),
        text("etc/nginx/conf.d/default.conf", _DEFAULT_CONF),
        text("usr/share/nginx/html/50x.html", _ERROR_PAGE),
        text("docker-entrypoint.sh", _ENTRYPOINT, 0o755),
        folder("var/lib/nginx"),
        folder("var/cache/nginx"),
        link("var/log/nginx/access.log", "/dev/stdout"),
        link("var/log/nginx/error.log", "/dev/stderr"),
    )


def _version_layer(version: str) -> tuple[Entry, ...]:
    return (
        text("etc/nginx/nginx.conf", _NGINX_CONF % {"version": version}),
        text("usr/share/nginx/html/index.html", _PAGE % {"version": version}),
    )
