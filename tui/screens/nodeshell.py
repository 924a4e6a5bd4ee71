"""Shells where there was none: a debug container in a pod, and a privileged pod on a machine, gone afterwards."""

import asyncio
import secrets
from typing import TYPE_CHECKING

from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import NotFound, StatusError
from apimachinery.objects.resources import PODS
from tui.changes import Entry
from tui.kinds import debugging
from tui.kinds.lens import JSON
from tui.screens import shell
from tui.widgets.debugdialog import DebugDialog

if TYPE_CHECKING:
    from tui.screens.base import ClusterScreen

PATIENCE = 90.0
"""Seconds for an image to be pulled and a container to start."""
LOOK = 0.5
NAMESPACE = "default"


async def debug(screen: "ClusterScreen", namespace: str, pod: str, target: str = "") -> None:
    """Ask which image, start it beside the target, and join it."""
    session = screen.session
    obj = await session.client.get(PODS, pod, namespace)
    targets = [one["name"] for one in (obj.get("spec") or {}).get("containers") or ()]
    answer = await screen.app.push_screen_wait(
        DebugDialog(f"Debug {pod}", targets, target or targets[0], debugging.IMAGE)
    )
    if answer is None:
        return
    name = f"debugger-{secrets.token_hex(3)}"
    after = await session.client.patch(
        PODS, pod, debugging.debug_patch(name, answer.image, answer.target), namespace,
        kind="strategic", subresource="ephemeralcontainers",
    )  # fmt: skip
    session.journal.record(
        Entry(at=session.now(), title="Debug container", what=f"pod/{pod} in {namespace}", before=obj, after=after)
    )
    if await started(screen, namespace, pod, name, "ephemeralContainerStatuses"):
        await shell.attach(screen, namespace, pod, name)


async def open_node_shell(screen: "ClusterScreen", node: str) -> None:
    """A shell on the machine itself, by way of a privileged pod: works on any cluster that lets us make one."""
    session = screen.session
    answer = await screen.app.push_screen_wait(
        DebugDialog(f"Shell on {node}", [], "", debugging.IMAGE, words=(
            f"A privileged pod runs on {node} in namespace {NAMESPACE} for as long as the shell is open: "
            "root on the machine."
        ))
    )  # fmt: skip
    if answer is None:
        return
    pod = debugging.node_shell_pod(node, secrets.token_hex(3), answer.image)
    name = pod["metadata"]["name"]
    await session.client.create(PODS, pod, NAMESPACE)
    try:
        if await started(screen, NAMESPACE, name, "shell", "containerStatuses"):
            await shell.open_shell(screen, NAMESPACE, name, "shell", command=debugging.NODE_SHELL)
    finally:
        await asyncio.shield(_removed(screen, name))


async def started(screen: "ClusterScreen", namespace: str, pod: str, container: str, group: str) -> bool:
    """Wait until the container runs; says why when it cannot."""
    session = screen.session
    screen.notify(f"Waiting for {container} in {pod} …")
    deadline = session.clock.monotonic() + PATIENCE
    while session.clock.monotonic() < deadline:
        obj: JSON = await session.client.get(PODS, pod, namespace)
        runs, trouble = debugging.container_trouble(obj, group, container)
        if runs:
            return True
        if trouble:
            screen.notify(trouble, severity="error", title=container)
            return False
        await session.clock.sleep(LOOK)
    screen.notify(f"{container} did not start within {PATIENCE:.0f} s; d describes {pod}.", severity="error")
    return False


async def _removed(screen: "ClusterScreen", name: str) -> None:
    try:
        await screen.session.client.delete(PODS, name, NAMESPACE, grace_period_seconds=0)
    except NotFound:
        pass
    except (StatusError, ConnectionFailed) as error:
        screen.notify(f"pod/{name} in {NAMESPACE} is still there: {error}", severity="error", title="Node shell")
