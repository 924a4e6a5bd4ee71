"""Pods as a real cluster has them."""

from typing import Any


def pod(number: int) -> dict[str, Any]:
    """A pod as a real cluster has them: about 3.9 KB once stored."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"pod-{number:05}",
            "labels": {"app": f"app-{number % 50}", "tier": "bench"},
            "annotations": {"example.com/filler": "x" * 1900},
        },
        "spec": {
            "schedulerName": "nobody",
            "containers": [
                {
                    "name": "main",
                    "image": "docker.io/library/nginx:1.27",
                    "env": [{"name": f"VARIABLE_{i}", "value": f"value-{i}"} for i in range(10)],
                    "ports": [{"containerPort": 8080, "name": "http"}],
                    "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
                    "readinessProbe": {"httpGet": {"path": "/", "port": "http"}},
                }
            ],
        },
    }
