"""A stand-in for digitalocean/flask-helloworld, the image of many a tutorial: "Hello World!" on port 5000."""

from lab.images.busybox import PATH, base_layer
from lab.images.oci import Image, text

# httpd itself has no handler for SIGTERM, and the kernel spares a first process that has none
_COMMAND = "trap 'exit 0' TERM INT; httpd -f -v -p 5000 -h /srv/www & wait"


def flask_helloworld(architecture: str) -> Image:
    return Image(
        name="docker.io/digitalocean/flask-helloworld:latest",
        layers=(base_layer(), (text("srv/www/index.html", "Hello World!"),)),
        config={
            "Cmd": ["sh", "-c", _COMMAND],
            "Env": [PATH],
            "ExposedPorts": {"5000/tcp": {}},
        },
        architecture=architecture,
    )
