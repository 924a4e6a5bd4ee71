"""Every action as the kubectl line that does the same. Pure."""

import shlex
from collections.abc import Iterable, Mapping

from apimachinery.objects.resources import Resource
from tui.kinds.lens import Action
from tui.rows import Row

_LINES: Mapping[Action, tuple[str, ...]] = {
    Action.DESCRIBE: ("describe", "{object}"),
    Action.YAML: ("get", "{object}", "-o", "yaml"),
    Action.EDIT: ("edit", "{object}"),
    Action.DELETE: ("delete", "{object}"),
    Action.LOGS: ("logs", "-f", "{object}", "--all-containers", "--all-pods"),
    Action.PREVIOUS: ("logs", "--previous", "{object}"),
    Action.SHELL: ("exec", "-it", "{object}", "--", "sh"),
    Action.ATTACH: ("attach", "-it", "{object}"),
    Action.DEBUG: ("debug", "-it", "{object}", "--image=busybox:1.37"),
    Action.TRANSFER: ("cp", "{namespace}/{name}:PATH", "PATH"),
    Action.FORWARD: ("port-forward", "{object}", "8080:80"),
    Action.RESTART: ("rollout", "restart", "{object}"),
    Action.ROLLOUT: ("rollout", "history", "{object}"),
    Action.SCALE: ("scale", "{object}", "--replicas=3"),
    Action.IMAGE: ("set", "image", "{object}", "CONTAINER=IMAGE"),
    Action.CORDON: ("cordon", "{name}"),
    Action.DRAIN: ("drain", "{name}", "--ignore-daemonsets", "--delete-emptydir-data"),
    Action.TRIGGER: ("create", "job", "{name}-now", "--from={object}"),
    Action.SUSPEND: ("patch", "{object}", "-p", '{{"spec":{{"suspend":true}}}}'),
    Action.SANITIZE: ("delete", "pods", "--field-selector=status.phase==Succeeded"),
    Action.USE: ("config", "set-context", "--current", "--namespace={name}"),
}


def line(action: Action, resource: Resource, row: Row, context: str) -> str:
    """Ready to be pasted; "" for what kubectl has no word for. Capitals stand for what has to be put in."""
    words = _LINES.get(action)
    if action is Action.SHELL and resource.plural == "nodes":
        words = ("debug", "-it", "node/{name}", "--image=busybox:1.37")
    if action is Action.LOGS and resource.plural == "pods":
        words = ("logs", "-f", "{object}", "--all-containers")
    if words is None:
        return ""
    kind = resource.singular or resource.kind.lower()
    if resource.group and "." in resource.group and not resource.group.endswith(".k8s.io"):
        kind = f"{kind}.{resource.group}"
    told = {"object": f"{kind}/{row.name}", "name": row.name, "namespace": row.namespace}
    scope = ["-n", row.namespace] if row.namespace and action is not Action.TRANSFER else []
    return shlex.join(["kubectl", "--context", context, *scope, *(word.format(**told) for word in words)])


def lines(actions: Iterable[Action], resource: Resource, row: Row, context: str) -> list[tuple[Action, str]]:
    """Of all actions that have one, in the order of the keys."""
    return [(action, told) for action in actions if (told := line(action, resource, row, context))]
