import pytest

from lab.references import parse_reference


@pytest.mark.parametrize(
    ("name", "full"),
    [
        pytest.param("nginx", "docker.io/library/nginx:latest", id="bare"),
        pytest.param("nginx:1.27", "docker.io/library/nginx:1.27", id="tag"),
        pytest.param("digitalocean/flask", "docker.io/digitalocean/flask:latest", id="owner"),
        pytest.param("ghcr.io/a/b/c:v1", "ghcr.io/a/b/c:v1", id="another registry"),
        pytest.param("localhost/x", "localhost/x:latest", id="localhost"),
        pytest.param("reg:5000/x:2", "reg:5000/x:2", id="port"),
        pytest.param("registry.k8s.io/pause:3.9", "registry.k8s.io/pause:3.9", id="no owner elsewhere"),
        pytest.param("nginx@sha256:ab", "docker.io/library/nginx@sha256:ab", id="digest"),
        pytest.param("nginx:1@sha256:ab", "docker.io/library/nginx@sha256:ab", id="digest wins over tag"),
    ],
)
def test_short_names_mean_what_docker_means_by_them(name: str, full: str) -> None:
    assert str(parse_reference(name)) == full
    assert str(parse_reference(full)) == full
