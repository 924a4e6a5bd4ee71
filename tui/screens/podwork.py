"""What is done with a pod's containers besides a shell: attach, transfer files; and clearing ended pods away."""

from typing import TYPE_CHECKING

from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import StatusError
from apimachinery.objects.resources import PODS
from tui import amounts
from tui.changes import Deletion
from tui.command import namespaces_of
from tui.feeds import filecopy
from tui.kinds.lens import JSON
from tui.screens import changing, shell
from tui.widgets.dialogs import DeleteDialog, PickDialog
from tui.widgets.transferdialog import TransferAnswer, TransferDialog

if TYPE_CHECKING:
    from tui.screens.base import ClusterScreen

ENDED = ("Succeeded", "Failed")
EVERY = 4 * 1024 * 1024
"""Bytes after which a long transfer says how far it is."""


async def attach(screen: "ClusterScreen", namespace: str, pod: str, container: str = "") -> None:
    """Join the process of a container, choosing one where there are several."""
    obj = await screen.session.client.get(PODS, pod, namespace)
    specs: list[JSON] = (obj.get("spec") or {}).get("containers") or []
    if not container and len(specs) > 1:
        names = [(one["name"], one["name"]) for one in specs]
        container = await screen.app.push_screen_wait(PickDialog("Attach to", names)) or ""
        if not container:
            return
    chosen = next((one for one in specs if one["name"] == container), specs[0])
    await shell.attach(
        screen, namespace, pod, chosen["name"], stdin=bool(chosen.get("stdin")), tty=bool(chosen.get("tty"))
    )


async def transfer(screen: "ClusterScreen", namespace: str, pod: str, container: str = "") -> None:
    """Ask what goes where, then copy it while the app goes on."""
    obj = await screen.session.client.get(PODS, pod, namespace)
    names = [one["name"] for one in (obj.get("spec") or {}).get("containers") or ()]
    answer = await screen.app.push_screen_wait(TransferDialog(pod, names, container))
    if answer is not None:
        # The app's own: it goes on whatever screen is shown meanwhile.
        screen.app.run_worker(_copy(screen, namespace, pod, answer), group="transfer", name=f"transfer {pod}")


async def _copy(screen: "ClusterScreen", namespace: str, pod: str, answer: TransferAnswer) -> None:
    app, client = screen.app, screen.session.client
    place = filecopy.Place(namespace, pod, answer.container)
    said = 0

    def progress(size: int) -> None:
        nonlocal said
        if size - said >= EVERY:
            said = size
            app.notify(f"{amounts.size(size)} so far", title=f"Transfer, {pod}", timeout=2)

    try:
        if answer.upload:
            count = await filecopy.upload(client, place, answer.local, answer.remote, progress=progress)
            where = f"{pod}:{answer.remote}"
        else:
            count = await filecopy.download(client, place, answer.remote, answer.local, progress=progress)
            where = str(answer.local)
    except (StatusError, ConnectionFailed) as error:
        app.notify(str(error), severity="error", title=f"Transfer, {pod}")
        return
    app.notify(f"{count} file{'' if count == 1 else 's'} → {where}", title=f"Transfer, {pod}")


async def sanitize(screen: "ClusterScreen") -> None:
    """Delete the ended pods of what is on the screen, after a yes to their names."""
    target, session = screen.target, screen.session
    scopes: list[str | None] = [target.namespace]
    if target.namespace:
        scopes = [*namespaces_of(target.namespace, session.namespaces)]
    ended: list[JSON] = []
    for namespace in scopes:
        for phase in ENDED:
            page = await session.client.list(
                PODS, namespace, label_selector=target.label_selector, field_selector=f"status.phase={phase}"
            )
            ended += page.items
    if not ended:
        screen.notify("No pod has ended here.")
        return
    metas = [pod["metadata"] for pod in ended]
    keys = [f"{meta['namespace']}/{meta['name']}" for meta in metas]
    if await screen.app.push_screen_wait(DeleteDialog("ended pod", "ended pods", keys)) is None:
        return
    objects = tuple((meta["namespace"], meta["name"], meta["uid"]) for meta in metas)
    await changing.delete(screen, Deletion(resource=PODS, objects=objects))
