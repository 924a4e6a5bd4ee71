"""A stand-in for digitalocean/flask-helloworld, the image of many a tutorial: "Hello World!" on port 5000."""

from lab.images.busybox import PATH, base_layer
from lab.images.oci import Image, text


def flask_helloworld(architecture: str) -> Image:
    return Image(
        name="docker.io/digitalocean/flask-helloworld:latest",
        layers=(base_layer(), (text("srv/www/index.html", "Hello World!"),)),
        config={
            "Cmd": ["httpd", "-f", "-v", "-p", "5000", "-h", "/srv/www"],
            "Env": [PATH],
            "ExposedPorts": {"5000/tcp": {}},
        },
        architecture=architecture,
    )
