"""Changes to the cluster, all through one door: shown as the server would make them, made, kept in the journal."""

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import BadRequest, NotFound, StatusError
from tui.changes import FIELD_MANAGER, JSON, Change, Deletion, Entry
from tui.document import Line
from tui.patching import foreign_owners
from tui.tones import Tone
from tui.widgets.dialogs import ChangeDialog
from tui.yamltext import comparable, diff_lines, to_yaml, yaml_lines

if TYPE_CHECKING:
    from tui.screens.base import ClusterScreen


async def read(screen: "ClusterScreen", path: str) -> JSON:
    return msgspec.json.decode(await screen.session.client.call("GET", path))


async def propose(screen: "ClusterScreen", change: Change) -> bool:
    """Show what would change and ask; True when it was made. Raises what the server answers to reading."""
    before = await read(screen, change.resource.path(change.namespace, change.name, change.subresource))
    lines, refused = await _preview(screen, change, before)
    change = with_owners(change, before)
    if not lines:
        screen.notify(f"{change.title}: nothing would change.")
        return False
    if not await screen.app.push_screen_wait(ChangeDialog(change, lines, refused=refused)):
        return False
    return await apply(screen, change, before=before)


def with_owners(change: Change, before: JSON) -> Change:
    """The change, its consequence naming those who wrote the same fields: they may write them again."""
    said = foreign_owners(before, change.patch, FIELD_MANAGER) if isinstance(change.patch, dict) else ""
    return replace(change, consequence=f"{change.consequence} {said}.".strip()) if said else change


async def apply(screen: "ClusterScreen", change: Change, *, before: JSON | None = None) -> bool:
    session = screen.session
    try:
        after = await session.client.patch(
            change.resource,
            change.name,
            change.patch,
            change.namespace,
            kind=change.kind,
            subresource=change.subresource,
        )
    except (StatusError, ConnectionFailed) as error:
        screen.notify(str(error), severity="error", title=change.title)
        return False
    session.journal.record(
        Entry(at=session.now(), title=change.title, what=change.object_words, before=before, after=after, change=change)
    )
    screen.notify(f"{change.title}: {change.object_words}")
    return True


async def delete(screen: "ClusterScreen", deletion: Deletion) -> None:
    """Each object on its own: one that fails does not keep the others."""
    session, resource = screen.session, deletion.resource
    done, failures = 0, list[str]()
    for namespace, name, uid in deletion.objects:
        what = f"{resource.singular or resource.kind.lower()}/{name}" + (f" in {namespace}" if namespace else "")
        try:
            before = await session.client.get(resource, name, namespace)
            await session.client.delete(
                resource,
                name,
                namespace,
                uid=uid if "/" not in uid else None,
                propagation=deletion.propagation,
                grace_period_seconds=0 if deletion.force else None,
            )
        except NotFound:
            continue
        except (StatusError, ConnectionFailed) as error:
            failures.append(str(error))
            continue
        done += 1
        session.journal.record(Entry(at=session.now(), title="Delete", what=what, before=before, change=deletion))
    if done:
        screen.notify(f"Deleting {done} {resource.plural if done > 1 else resource.singular or resource.kind.lower()}.")
    for message in failures[:3]:
        screen.notify(message, severity="error", title="Delete")


async def _preview(screen: "ClusterScreen", change: Change, before: JSON) -> tuple[list[Line], str]:
    """The server's own answer to a dry run; where it knows none, the patch itself. Also why it would refuse."""
    try:
        after = await screen.session.client.patch(
            change.resource,
            change.name,
            change.patch,
            change.namespace,
            kind=change.kind,
            subresource=change.subresource,
            dry_run=True,
        )
    except BadRequest:
        return yaml_lines(to_yaml({"patch": change.patch})), ""
    except (StatusError, ConnectionFailed) as error:
        return [((str(error), Tone.BAD),)], str(error)
    return diff_lines(comparable(before), comparable(after)), ""
