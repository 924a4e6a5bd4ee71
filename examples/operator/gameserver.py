"""An operator for GameServers, written with kopf (https://kopf.readthedocs.io): run it with `kopf run gameserver.py`.

Each GameServer gets a Deployment and a Service of its name, which follow its specification and go when it goes. Its
status says how far that has come. Before a GameServer goes, what is worth keeping of it is put into a ConfigMap.

What is wanted is applied from the server's side, whole: it does not matter whether the objects are there already, so
creation, change and a restart of the operator are one function.
"""

from typing import Any

import kopf
from kubernetes import client, config
from kubernetes.dynamic import DynamicClient

MANAGER = "gameserver-operator"
LABEL = "games.example.com/gameserver"
GAMESERVERS = ("games.example.com", "v1", "gameservers")


@kopf.on.startup()
def connect(settings: kopf.OperatorSettings, memo: kopf.Memo, **_: Any) -> None:
    # Events only for what matters to those who look at a GameServer.
    settings.posting.level = 30
    # Progress in annotations would be shown by every `kubectl describe`.
    settings.persistence.progress_storage = kopf.StatusProgressStorage()
    try:
        config.load_incluster_config()
    except config.ConfigException:
        config.load_kube_config()
    memo.cluster = DynamicClient(client.ApiClient())


@kopf.on.create(*GAMESERVERS)
@kopf.on.resume(*GAMESERVERS)
def serve(spec: kopf.Spec, name: str, namespace: str, memo: kopf.Memo, patch: kopf.Patch, **_: Any) -> None:
    for wanted in (deployment(name, spec), service(name, spec)):
        kopf.adopt(wanted)  # gone with the GameServer
        apply(memo.cluster, namespace, wanted)
    patch.status["address"] = f"{name}.{namespace}.svc:{spec['port']}"


@kopf.on.update(*GAMESERVERS, field="spec")
def change(diff: kopf.Diff, body: kopf.Body, status: kopf.Status, patch: kopf.Patch, **given: Any) -> None:
    serve(patch=patch, **given)
    changes = ", ".join(f"{'.'.join(field)} {old!r} -> {new!r}" for _, field, old, new in diff)
    kopf.event(body, type="Normal", reason="Changed", message=changes)
    patch.status["changes"] = status.get("changes", 0) + 1


@kopf.on.delete(*GAMESERVERS)
def keep(spec: kopf.Spec, status: kopf.Status, name: str, namespace: str, memo: kopf.Memo, **_: Any) -> None:
    """The finalizer that kopf sets holds the GameServer until this has gone well."""
    kept = {"image": spec["image"], "changes": str(status.get("changes", 0))}
    apply(
        memo.cluster,
        namespace,
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{name}-kept"}, "data": kept},
    )


@kopf.on.event("apps", "v1", "deployments", labels={LABEL: kopf.PRESENT})
def report(event: kopf.RawEvent, status: kopf.Status, name: str, namespace: str, memo: kopf.Memo, **_: Any) -> None:
    """How many pods of a GameServer are ready, as soon as that changes."""
    if event["type"] == "DELETED":
        return
    ready, replicas = status.get("readyReplicas", 0), status.get("replicas", 0)
    told = {"readyReplicas": ready, "replicas": replicas, "phase": "Running" if ready else "Starting"}
    gameservers = memo.cluster.resources.get(api_version="games.example.com/v1", kind="GameServer")
    try:
        gameservers.status.patch(
            {"status": told}, name=name, namespace=namespace, content_type="application/merge-patch+json"
        )
    except client.ApiException as error:
        if error.status != 404:  # it has just gone
            raise


@kopf.timer(*GAMESERVERS, interval=2.0, initial_delay=1.0)
def heal(name: str, namespace: str, memo: kopf.Memo, **given: Any) -> None:
    """A Deployment that somebody deleted or scaled by hand comes back to what the GameServer says."""
    serve(name=name, namespace=namespace, memo=memo, **given)


def deployment(name: str, spec: kopf.Spec) -> dict[str, Any]:
    container = {
        "name": "game",
        "image": spec["image"],
        "env": [{"name": "GREETING", "value": spec.get("greeting", "")}],
        "ports": [{"name": "game", "containerPort": spec["port"]}],
    }
    labels = {LABEL: name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": spec["replicas"],
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def service(name: str, spec: kopf.Spec) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {LABEL: name}, "ports": [{"name": "game", "port": spec["port"], "targetPort": "game"}]},
    }


def apply(cluster: DynamicClient, namespace: str, wanted: dict[str, Any]) -> None:
    """By force: what this operator asks for is its own to say. Fields that it does not name stay as others set them."""
    kind = cluster.resources.get(api_version=wanted["apiVersion"], kind=wanted["kind"])
    kind.server_side_apply(
        wanted, name=wanted["metadata"]["name"], namespace=namespace, field_manager=MANAGER, force_conflicts=True
    )
