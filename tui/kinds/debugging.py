"""What is made to look into things: a debug container beside another, a pod that is at home on a machine. Pure."""

from typing import Any

JSON = dict[str, Any]
IMAGE = "busybox:1.37"
NODE_SHELL = (
    "nsenter", "-t", "1", "-m", "-u", "-i", "-n", "-p", "--", "sh", "-c",
    'cd "$HOME" 2>/dev/null; command -v bash >/dev/null 2>&1 && exec bash -l || exec sh -l',
)  # fmt: skip
"""Out of the pod into the machine's own namespaces."""


TROUBLES = frozenset(
    {
        "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable",
        "CreateContainerConfigError", "CreateContainerError", "RunContainerError", "CrashLoopBackOff",
    }
)  # fmt: skip


def debug_patch(name: str, image: str, target: str) -> JSON:
    """For the pod's `ephemeralcontainers`: a container that sees the target's processes."""
    container: JSON = {"name": name, "image": image, "stdin": True, "tty": True, "imagePullPolicy": "IfNotPresent"}
    if target:
        container["targetContainerName"] = target
    return {"spec": {"ephemeralContainers": [container]}}


def node_shell_pod(node: str, suffix: str, image: str = IMAGE) -> JSON:
    """A privileged pod with the machine's processes, network and disk; it lives as long as the shell."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"node-shell-{suffix}",
            "labels": {"app.kubernetes.io/managed-by": "pilothouse", "pilothouse.dev/node-shell": "true"},
        },
        "spec": {
            "nodeName": node,
            "hostPID": True,
            "hostIPC": True,
            "hostNetwork": True,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "enableServiceLinks": False,
            "automountServiceAccountToken": False,
            "tolerations": [{"operator": "Exists"}],
            # It ends by itself when nobody is left to end it.
            "activeDeadlineSeconds": 12 * 3600,
            "containers": [
                {
                    "name": "shell",
                    "image": image,
                    "command": ["sleep", "43200"],
                    "stdin": True,
                    "tty": True,
                    "securityContext": {"privileged": True},
                    "volumeMounts": [{"name": "host", "mountPath": "/host"}],
                }
            ],
            "volumes": [{"name": "host", "hostPath": {"path": "/"}}],
        },
    }


def container_trouble(pod: JSON, group: str, name: str) -> tuple[bool, str]:
    """(whether the container runs, why it cannot) of one of `containerStatuses` or `ephemeralContainerStatuses`."""
    for status in (pod.get("status") or {}).get(group) or ():
        if status.get("name") != name:
            continue
        state = status.get("state") or {}
        if "running" in state:
            return True, ""
        for word in ("waiting", "terminated"):
            reason = (state.get(word) or {}).get("reason", "")
            if (word == "terminated" and word in state) or reason in TROUBLES:
                return False, f"{reason or word}: {(state.get(word) or {}).get('message', '')}".strip(": ")
    return False, ""
