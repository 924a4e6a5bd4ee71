"""A Node as one line of `pilothouse node list`."""

from typing import Any

from engine.fleet.nodes import ADDRESS, USER, NodeView


def node_row(node: NodeView) -> dict[str, Any]:
    """Cells by column, with the words kubectl uses for the status."""
    address = node.metadata.annotations.get(ADDRESS, "")
    user = node.metadata.annotations.get(USER, "")
    return {
        "name": node.metadata.name,
        "status": status_word(node),
        "address": node.internal_ip,
        "ssh": f"{user}@{address}" if address else "",
        "arch": node.status.node_info.architecture,
        "os": node.status.node_info.os_image,
        "agent": node.status.node_info.kubelet_version,
        "message": "" if node.ready.status == "True" else node.ready.message,
    }


def status_word(node: NodeView) -> str:
    """Ready, NotReady or Unknown; SchedulingDisabled added for a cordoned one."""
    word = {"True": "Ready", "False": "NotReady"}.get(node.ready.status, "Unknown")
    return f"{word},SchedulingDisabled" if node.spec.unschedulable else word
