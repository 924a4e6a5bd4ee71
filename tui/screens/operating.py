"""What some kinds alone can do: edit, suspend, trigger, cordon, drain, and the jumps to owner and machine."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from apimachinery.objects.resources import JOBS, NODES
from tui.changes import Entry
from tui.kinds import jobs
from tui.kinds.lens import Action, Lens
from tui.rows import Row
from tui.screens import changing
from tui.target import PAGES, Target, View

if TYPE_CHECKING:
    from tui.screens.base import ClusterScreen

Operation = Callable[["ClusterScreen", Lens, list[Row]], Awaitable[None]]


async def edit(screen: "ClusterScreen", lens: Lens, rows: list[Row]) -> None:
    from tui.screens.edit import edit as edited

    await edited(screen, lens.resource, rows[0].name, rows[0].namespace or None)


async def cordon(screen: "ClusterScreen", lens: Lens, rows: list[Row]) -> None:
    from tui.screens.machines import toggle_cordon

    del lens
    await toggle_cordon(screen, rows)


async def drain(screen: "ClusterScreen", lens: Lens, rows: list[Row]) -> None:
    from tui.screens import machines

    del lens
    await machines.drain(screen, rows[0].name)


async def suspend(screen: "ClusterScreen", lens: Lens, rows: list[Row]) -> None:
    for one in rows:
        obj = await screen.session.client.get(lens.resource, one.name, one.namespace)
        await changing.apply(screen, jobs.suspend(obj, lens.resource), before=obj)


async def owner(screen: "ClusterScreen", lens: Lens, rows: list[Row]) -> None:
    await _jump(screen, lens, rows[0], to_node=False)


async def node(screen: "ClusterScreen", lens: Lens, rows: list[Row]) -> None:
    await _jump(screen, lens, rows[0], to_node=True)


async def trigger(screen: "ClusterScreen", lens: Lens, rows: list[Row]) -> None:
    """Start each now, besides its schedule."""
    for row in rows:
        await _trigger_one(screen, lens, row)


async def _trigger_one(screen: "ClusterScreen", lens: Lens, row: Row) -> None:
    session = screen.session
    cron_job = await session.client.get(lens.resource, row.name, row.namespace)
    job = jobs.run_now(cron_job, f"{int(session.now()) % 100_000_000:08d}")
    made = await session.client.create(JOBS, job, row.namespace)
    name = made["metadata"]["name"]
    session.journal.record(Entry(at=session.now(), title="Trigger", what=f"job/{name} in {row.namespace}", after=made))
    screen.notify(f"Started {name}.")


async def _jump(screen: "ClusterScreen", lens: Lens, row: Row, *, to_node: bool) -> None:
    """To the table with just the owner, or the machine, in it: every key works on it there."""
    # Loaded when needed, as screens are: it knows the rules of why, which the first table does not wait for.
    from tui.kinds.relations import owner_of

    obj = await screen.session.client.get(lens.resource, row.name, row.namespace or None)
    if to_node:
        name, resource = (obj.get("spec") or {}).get("nodeName", ""), NODES
        missing = f"{row.name} is on no machine yet."
    else:
        owner = owner_of(obj) or {}
        name, kind = owner.get("name", ""), owner.get("kind", "")
        resource = screen.session.aliases.resolve(kind) if kind else None
        missing = f"The server serves no {kind}." if kind else f"Nothing owns {row.name}."
    if not name or resource is None:
        screen.notify(missing)
        return
    namespace = (row.namespace or None) if resource.namespaced else None
    screen.open_target(
        Target(resource=resource, namespace=namespace, field_selector=f"metadata.name={name}", title=name)
    )


async def forward(screen: "ClusterScreen", lens: Lens, rows: list[Row]) -> None:
    from tui.screens.forwards import ask

    await ask(screen, lens, rows[0])


async def forwards(screen: "ClusterScreen", lens: Lens, rows: list[Row]) -> None:
    del lens, rows
    screen.open_target(PAGES[View.FORWARDS])


async def pin(screen: "ClusterScreen", lens: Lens, rows: list[Row]) -> None:
    del lens
    memory, context = screen.conductor.memory, screen.session.access.context
    for row in rows:
        pinned = memory.pin(context, row.name)
        at = memory.pinned(context).index(row.name) + 1 if pinned else 0
        key = f": {at} goes there" if 0 < at <= 9 else ""
        screen.notify(f"Pinned {row.name}{key}." if pinned else f"{row.name} is not pinned any more.")


async def machine(screen: "ClusterScreen", lens: Lens, rows: list[Row]) -> None:
    from tui.screens.machinework import menu

    del lens
    await menu(screen, rows[0].name)


async def attach(screen: "ClusterScreen", lens: Lens, rows: list[Row]) -> None:
    from tui.screens.podwork import attach as attached

    del lens
    await attached(screen, rows[0].namespace, rows[0].name)


async def debug(screen: "ClusterScreen", lens: Lens, rows: list[Row]) -> None:
    from tui.screens import nodeshell

    del lens
    await nodeshell.debug(screen, rows[0].namespace, rows[0].name)


async def transfer(screen: "ClusterScreen", lens: Lens, rows: list[Row]) -> None:
    from tui.screens.podwork import transfer as transferred

    del lens
    await transferred(screen, rows[0].namespace, rows[0].name)


async def sanitize(screen: "ClusterScreen", lens: Lens, rows: list[Row]) -> None:
    from tui.screens.podwork import sanitize as sanitized

    del lens, rows
    await sanitized(screen)


async def teach(screen: "ClusterScreen", lens: Lens, rows: list[Row]) -> None:
    from tui.document import Document
    from tui.kinds import teaching
    from tui.screens.keys import ACTION_KEYS
    from tui.screens.text import TextScreen
    from tui.tones import Tone

    row, doc = rows[0], Document()
    actions = [action for action in ACTION_KEYS if action in lens.actions]
    for action, line in teaching.lines(actions, lens.resource, row, screen.session.access.context):
        key = ACTION_KEYS[action]
        doc.spans(((key.label.ljust(4), Tone.KEY), (key.word, Tone.MUTED)), indent=0)
        doc.spans(((line, Tone.STRING),), indent=2)
    target = Target(resource=lens.resource, namespace=row.namespace or None, name=row.name, title=f"{row.name} kubectl")
    screen.app.push_screen(TextScreen(target, doc.lines))


async def whatif(screen: "ClusterScreen", lens: Lens, rows: list[Row]) -> None:
    names = sorted(row.name for row in rows)
    title = f"what if {names[0]} goes" if len(names) == 1 else f"what if {len(names)} machines go"
    screen.open_target(Target(resource=lens.resource, view=View.WHATIF, name=",".join(names), title=title))


async def copy_namespace(screen: "ClusterScreen", lens: Lens, rows: list[Row]) -> None:
    names = list(dict.fromkeys(row.namespace for row in rows if row.namespace))
    if not names:
        screen.notify(f"{lens.resource.plural} are in no namespace.")
        return
    screen.app.copy_to_clipboard("\n".join(names))
    screen.notify(f"Copied {names[0] if len(names) == 1 else f'{len(names)} namespaces'}.")


async def warp(screen: "ClusterScreen", lens: Lens, rows: list[Row]) -> None:
    namespace = rows[0].namespace
    if not namespace:
        screen.notify(f"{lens.resource.plural} are in no namespace.")
    else:
        screen.conductor.use_namespace(namespace)


OPERATIONS: dict[Action, Operation] = {
    Action.EDIT: edit,
    Action.CORDON: cordon,
    Action.DRAIN: drain,
    Action.WHATIF: whatif,
    Action.SUSPEND: suspend,
    Action.TRIGGER: trigger,
    Action.OWNER: owner,
    Action.NODE: node,
    Action.PIN: pin,
    Action.TEACH: teach,
    Action.MACHINE: machine,
    Action.ATTACH: attach,
    Action.DEBUG: debug,
    Action.TRANSFER: transfer,
    Action.SANITIZE: sanitize,
    Action.FORWARD: forward,
    Action.FORWARDS: forwards,
    Action.COPY_NAMESPACE: copy_namespace,
    Action.WARP: warp,
}
