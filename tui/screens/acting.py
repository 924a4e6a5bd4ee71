"""What the action keys do to the chosen rows: a view of one, or a change that is shown before it is made."""

from collections.abc import Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import StatusError
from apimachinery.objects.meta import format_time
from tui.changes import JSON, Change, Deletion
from tui.kinds import rollout
from tui.kinds.lens import Action, Lens
from tui.rows import Row
from tui.screens import changing, operating
from tui.screens.allowed import refusal
from tui.target import Target, View
from tui.widgets.dialogs import DeleteDialog, ImagesDialog, ScaleDialog

if TYPE_CHECKING:
    from tui.screens.base import ClusterScreen

READ_ONLY = "This session is read-only."
WRITES = frozenset(
    {Action.DELETE, Action.RESTART, Action.SCALE, Action.IMAGE, Action.SHELL, Action.EDIT, Action.CORDON, Action.DRAIN,
     Action.SUSPEND, Action.TRIGGER, Action.FORWARD,
     Action.ATTACH, Action.DEBUG, Action.TRANSFER, Action.SANITIZE}
)  # fmt: skip


async def act(screen: "ClusterScreen", lens: Lens, action: Action, rows: list[Row]) -> None:
    """Errors end in a notice, never further."""
    if action in WRITES and screen.session.readonly:
        screen.notify(READ_ONLY, severity="warning")
        return
    if words := await refusal(screen.session, lens, action, rows):
        screen.notify(words, severity="warning")
        return
    await reported(screen, _act(screen, lens, action, rows))


async def reported(screen: "ClusterScreen", work: Coroutine[Any, Any, object]) -> None:
    """Do the work; what the server or the network says against it becomes a notice."""
    try:
        await work
    except (StatusError, ConnectionFailed) as error:
        screen.notify(str(error), severity="error")


async def drill_target(screen: "ClusterScreen", lens: Lens, row: Row) -> Target | None:
    """Where Enter leads; the user's own jumps first. None, with a notice, when it leads nowhere."""
    jump = screen.conductor.settings.current.jump(screen.session.aliases.refined(lens.resource))
    if jump is not None:
        from tui.screens import jumping

        obj = await _fetched(screen, lens, row)
        return jumping.target_of(screen, jump, obj, row) if obj is not None else None
    if lens.drill is not None:
        return lens.drill(row)
    if lens.drill_object is None:
        return _view(lens, row, View.DESCRIBE)
    obj = await _fetched(screen, lens, row)
    if obj is None:
        return None
    target = lens.drill_object(obj)
    if target is None:
        screen.notify(f"{row.name} selects no pods.")
    return target


async def _act(screen: "ClusterScreen", lens: Lens, action: Action, rows: list[Row]) -> None:
    row = rows[0]
    match action:
        case Action.DESCRIBE | Action.YAML | Action.ROLLOUT | Action.WHY | Action.XRAY:
            screen.open_target(_view(lens, row, View(action.value)))
        case Action.LOGS | Action.PREVIOUS:
            await _logs(screen, lens, row, previous=action is Action.PREVIOUS)
        case Action.SHELL:
            await _shell(screen, lens, row)
        case Action.COPY:
            screen.app.copy_to_clipboard("\n".join(one.name for one in rows))
            screen.notify(f"Copied {row.name if len(rows) == 1 else f'{len(rows)} names'}.")
        case Action.USE:
            screen.conductor.use_namespace(row.name)
            screen.notify(f"Using namespace {row.name}.")
        case Action.DELETE:
            await _delete(screen, lens, rows)
        case Action.SCALE:
            await scale(screen, lens, rows)
        case Action.RESTART:
            for one in rows:
                deployment = await screen.session.client.get(lens.resource, one.name, one.namespace)
                now = format_time(screen.session.clock.now())
                if not await changing.propose(screen, rollout.restart(deployment, now)):
                    return
        case Action.IMAGE:
            deployment = await screen.session.client.get(lens.resource, row.name, row.namespace)
            await set_image(screen, deployment)
        case _:
            await operating.OPERATIONS[action](screen, lens, rows)


def _view(lens: Lens, row: Row, view: View) -> Target:
    return Target(
        resource=lens.resource,
        view=view,
        namespace=row.namespace or None,
        name=row.name,
        title=f"{row.name} {view.value}",
    )


async def _fetched(screen: "ClusterScreen", lens: Lens, row: Row) -> JSON | None:
    try:
        return await screen.session.client.get(lens.resource, row.name, row.namespace or None)
    except (StatusError, ConnectionFailed) as error:
        screen.notify(str(error), severity="error")
        return None


async def _logs(screen: "ClusterScreen", lens: Lens, row: Row, *, previous: bool) -> None:
    target = Target(resource=lens.resource, namespace=row.namespace, name=row.name)
    obj = await _fetched(screen, lens, row) if lens.pod_selector is not None else None
    logs = current_logs(target, lens, obj, previous=previous)
    if logs is None:
        screen.notify(f"{row.name} selects no pods.")
    else:
        screen.open_target(logs)


def current_logs(target: Target, lens: Lens, obj: JSON | None, *, previous: bool = False) -> Target | None:
    """The logs of an object: of a pod itself, or of the pods that `obj` stands for. None when there are none."""
    if Action.LOGS not in lens.actions:
        return None
    if lens.pod_selector is None:
        return replace(target, view=View.LOGS, previous=previous, title=f"{target.name} logs")
    pods = lens.pod_selector(obj) if obj is not None else None
    return replace(pods, view=View.LOGS, title=f"{target.name} logs") if pods is not None else None


async def _shell(screen: "ClusterScreen", lens: Lens, row: Row) -> None:
    from tui.screens.shell import open_shell

    namespace, pod = row.namespace, row.name
    if lens.resource.plural == "nodes":
        from tui.screens.nodeshell import open_node_shell

        await open_node_shell(screen, row.name)
        return
    if lens.pod_selector is not None:
        obj = await _fetched(screen, lens, row)
        pods = lens.pod_selector(obj) if obj is not None else None
        if pods is None:
            return
        page = await screen.session.client.list(pods.resource, namespace, label_selector=pods.label_selector)
        running = [p for p in page.items if (p.get("status") or {}).get("phase") == "Running"]
        if not running:
            screen.notify(f"{row.name} has no running pod.")
            return
        pod = running[0]["metadata"]["name"]
    await open_shell(screen, namespace, pod)


async def _delete(screen: "ClusterScreen", lens: Lens, rows: list[Row]) -> None:
    singular = lens.resource.singular or lens.resource.kind.lower()
    table = screen.chosen_table()
    hidden = sum(table.model.index_of(row.uid) is None for row in rows) if table is not None else 0
    answer = await screen.app.push_screen_wait(
        DeleteDialog(singular, lens.resource.plural, [row.key for row in rows], hidden=hidden)
    )
    if answer is None:
        return
    objects = tuple((row.namespace or None, row.name, row.uid) for row in rows)
    await changing.delete(
        screen, Deletion(resource=lens.resource, objects=objects, propagation=answer.propagation, force=answer.force)
    )


async def scale(screen: "ClusterScreen", lens: Lens, rows: list[Row]) -> None:
    first = rows[0]
    path = lens.resource.path(first.namespace or None, first.name, "scale")
    current = await changing.read(screen, path)
    replicas = (current.get("spec") or {}).get("replicas", 0)
    wanted = await screen.app.push_screen_wait(ScaleDialog([row.key for row in rows], replicas))
    if wanted is None:
        return
    for row in rows:
        change = Change(
            title=f"Scale to {wanted}",
            resource=lens.resource,
            name=row.name,
            namespace=row.namespace or None,
            patch={"spec": {"replicas": wanted}},
            subresource="scale",
            consequence=_scale_words(replicas, wanted),
        )
        # The number was typed and confirmed in the dialog, which showed both: a second question would be noise.
        await changing.apply(screen, change, before=current if row is first else None)


def _scale_words(before: int, after: int) -> str:
    return f"{before} → {after}"


async def set_image(screen: "ClusterScreen", deployment: JSON) -> None:
    containers = ((deployment.get("spec") or {}).get("template") or {}).get("spec", {}).get("containers") or []
    images = {container["name"]: container.get("image", "") for container in containers}
    wanted = await screen.app.push_screen_wait(ImagesDialog(deployment["metadata"]["name"], images))
    changed = {name: image for name, image in (wanted or {}).items() if image != images[name]}
    if changed:
        await changing.propose(screen, rollout.set_images(deployment, changed))
