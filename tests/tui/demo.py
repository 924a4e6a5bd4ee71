"""The cluster that screens are tested and photographed with: a shop of three machines, one pod in trouble."""

from typing import Any

from apimachinery.client.kubeconfig import ClusterAccess
from tests.tui.memory_cluster import MemoryCluster

JSON = dict[str, Any]
ACCESS = ClusterAccess(context="lab", cluster="lab", user="admin", server="https://127.0.0.1:6443")


def pod(name: str, *, app: str = "web", namespace: str = "default", node: str = "m1", image: str = "nginx:1.27",
        reason: str = "", restarts: int = 0, created: str = "2025-12-31T21:00:00Z", phase: str = "Running") -> JSON:  # fmt: skip
    state: JSON = {"waiting": {"reason": reason}} if reason else {"running": {"startedAt": "2025-12-31T21:00:05Z"}}
    return {
        "metadata": {
            "name": name, "namespace": namespace, "labels": {"app": app}, "creationTimestamp": created,
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{app}-7c5d", "uid": "rs-1",
                                 "controller": True}],
        },
        "spec": {
            "nodeName": node, "serviceAccountName": "default", "restartPolicy": "Always",
            "containers": [{
                "name": app, "image": image, "ports": [{"containerPort": 80, "protocol": "TCP"}],
                "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}},
                "readinessProbe": {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 1},
                "env": [{"name": "GREETING", "value": "ahoy"}],
                "volumeMounts": [{"name": "page", "mountPath": "/usr/share/nginx/html", "readOnly": True}],
            }],
            "volumes": [{"name": "page", "configMap": {"name": "web-page"}}],
        },
        "status": {
            "phase": phase, "podIP": "10.42.1.7", "podIPs": [{"ip": "10.42.1.7"}], "hostIP": "10.99.0.1",
            "qosClass": "Burstable",
            "conditions": [
                {"type": "Ready", "status": "False" if reason else "True", "lastTransitionTime": "2025-12-31T21:00:06Z",
                 "reason": "ContainersNotReady" if reason else "",
                 "message": f"containers with unready status: [{app}]" if reason else ""},
                {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2025-12-31T21:00:00Z"},
            ],
            "containerStatuses": [{"name": app, "ready": not reason, "restartCount": restarts, "image": image,
                                   "state": state}],
        },
    }  # fmt: skip


def template(image: str, app: str = "web") -> JSON:
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": [{"name": app, "image": image}]}}


def deployment(name: str, *, image: str, replicas: int = 3, ready: int = 3, revision: str = "2") -> JSON:
    return {
        "metadata": {"name": name, "namespace": "default", "generation": 2, "labels": {"app": name}, "uid": f"dep-{name}",
                     "annotations": {"deployment.kubernetes.io/revision": revision},
                     "creationTimestamp": "2025-12-30T00:00:00Z"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template(image, name),
                 "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}},
        "status": {"observedGeneration": 2, "replicas": replicas, "readyReplicas": ready, "updatedReplicas": replicas,
                   "availableReplicas": ready,
                   "conditions": [
                       {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable",
                        "message": "Deployment has minimum availability.", "lastTransitionTime": "2025-12-31T21:00:00Z"},
                       {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable",
                        "message": f'ReplicaSet "{name}-7c5d" has successfully progressed.',
                        "lastTransitionTime": "2025-12-31T21:00:00Z"}]},
    }  # fmt: skip


def replica_set(name: str, *, owner: str, revision: str, image: str, wanted: int, ready: int, created: str) -> JSON:
    labelled = template(image, owner)
    labelled["metadata"]["labels"]["pod-template-hash"] = name.rsplit("-", 1)[-1]
    return {
        "metadata": {"name": name, "namespace": "default", "labels": {"app": owner}, "creationTimestamp": created,
                     "annotations": {"deployment.kubernetes.io/revision": revision},
                     "ownerReferences": [{"kind": "Deployment", "name": owner, "uid": f"dep-{owner}", "controller": True}]},
        "spec": {"replicas": wanted, "selector": {"matchLabels": {"app": owner}}, "template": labelled},
        "status": {"replicas": wanted, "readyReplicas": ready},
    }  # fmt: skip


def event(
    name: str, *, about: str, reason: str, message: str, kind: str = "Pod", warning: bool = False, count: int = 1
) -> JSON:
    return {
        "metadata": {"name": name, "namespace": "default"},
        "involvedObject": {"kind": kind, "name": about, "namespace": "default"},
        "type": "Warning" if warning else "Normal", "reason": reason, "message": message, "count": count,
        "firstTimestamp": "2025-12-31T23:50:00Z", "lastTimestamp": "2025-12-31T23:58:00Z",
    }  # fmt: skip


def demo_cluster() -> MemoryCluster:
    cluster = MemoryCluster()
    for name in ("default", "kube-system", "shop"):
        cluster.put("namespaces", {"metadata": {"name": name, "creationTimestamp": "2025-12-29T00:00:00Z"}})
    for name in ("m1", "m2", "m3"):
        cluster.put("nodes", {"metadata": {"name": name, "creationTimestamp": "2025-12-30T12:00:00Z"}, "status": {}})
    cluster.put(
        "nodes",
        {"metadata": {"name": "m3", "creationTimestamp": "2025-12-30T12:00:00Z"}, "status": {"word": "NotReady"}},
    )
    for number, suffix in enumerate(("4xk2p", "9wq7t", "bz8nd"), start=1):
        cluster.put("pods", pod(f"web-7c5d-{suffix}", node=f"m{number}"))
    cluster.put(
        "pods", pod("redis-6f9b-h2x5c", app="redis", image="redis:7", node="m2", created="2025-12-29T00:00:00Z")
    )
    cluster.put("pods", pod("mailer-5d4c-x8k2v", app="mailer", reason="CrashLoopBackOff", restarts=17, node="m3",
                            created="2025-12-31T23:10:00Z"))  # fmt: skip
    cluster.put("pods", pod("import-28x9f", app="import", phase="Succeeded", node="m1", created="2025-12-31T23:57:15Z"))
    cluster.put("pods", pod("thumbs-8b7f-q9m4z", app="thumbs", reason="ContainerCreating", node="m2",
                            created="2025-12-31T23:59:50Z", phase="Pending"))  # fmt: skip
    cluster.put("pods", pod("dns-1", app="dns", namespace="kube-system"))
    mailer = cluster.get("pods", "default/mailer-5d4c-x8k2v")
    mailer["status"]["containerStatuses"][0]["lastState"] = {
        "terminated": {"exitCode": 1, "reason": "Error", "finishedAt": "2025-12-31T23:58:00Z"}
    }
    cluster.put("pods", mailer)
    cluster.logs["default", "mailer-5d4c-x8k2v", "mailer"] = [
        "2025-12-31T23:57:59Z mailer 3.1 starting",
        "2025-12-31T23:58:00Z dial tcp: lookup smtp.shop.svc.cluster.local: no such host",
    ]
    cluster.put("serviceaccounts", {"metadata": {"name": "default", "namespace": "default"}})
    cluster.put("deployments", deployment("web", image="nginx:1.27"))
    cluster.put("deployments", deployment("redis", image="redis:7", replicas=1, ready=1, revision="1"))
    cluster.put("deployments", deployment("mailer", image="mailer:3", replicas=1, ready=0, revision="1"))
    cluster.put("replicasets", replica_set("web-7c5d", owner="web", revision="2", image="nginx:1.27", wanted=3, ready=3,
                                           created="2025-12-31T21:00:00Z"))  # fmt: skip
    cluster.put("replicasets", replica_set("web-5b6f", owner="web", revision="1", image="nginx:1.26", wanted=0, ready=0,
                                           created="2025-12-30T00:00:00Z"))  # fmt: skip
    cluster.put("services", {"metadata": {"name": "web", "namespace": "default", "creationTimestamp": "2025-12-30T00:00:00Z"},
                             "spec": {"clusterIP": "10.43.7.20", "selector": {"app": "web"},
                                      "ports": [{"name": "http", "port": 80, "targetPort": 80}]}})  # fmt: skip
    cluster.put("events", event("e1", about="mailer-5d4c-x8k2v", reason="BackOff", warning=True, count=42,
                                message="Back-off restarting failed container mailer in pod mailer-5d4c-x8k2v"))  # fmt: skip
    cluster.put("events", event("e2", about="web-7c5d-4xk2p", reason="Started", message="Started container web"))
    cluster.put(
        "configmaps",
        {"metadata": {"name": "web-page", "namespace": "default"}, "data": {"index.html": "<h1>ahoy</h1>\n"}},
    )
    cluster.put("secrets", {"metadata": {"name": "mail-login", "namespace": "default"}, "type": "Opaque",
                            "data": {"password": "aHVudGVyMg=="}})  # fmt: skip
    cluster.put(
        "boats", {"metadata": {"name": "pilot-1", "namespace": "default"}, "spec": {"harbour": "Falmouth", "crew": 3}}
    )
    return cluster
