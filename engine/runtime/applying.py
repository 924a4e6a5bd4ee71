"""Carrying out a plan: actions in, API calls out, and what came of them."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

import structlog

from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import AlreadyExists, Conflict, NotFound, StatusError
from apimachinery.objects.meta import Object
from engine.controllers.actions import (
    Action,
    Create,
    Delete,
    DeleteCollection,
    Emit,
    Failure,
    Json,
    Note,
    Patch,
    Replace,
    RequeueAfter,
    SetStatus,
    Write,
)  # fmt: skip
from engine.runtime.events import Recorder
from engine.runtime.expectations import Written

log = structlog.get_logger(__name__)

AT_ONCE = 64
"""Calls that one controller may have under way, whatever its plans ask for: others want answers meanwhile."""


@dataclass(slots=True)
class Outcome:
    """What came of a plan. `again`: something was refused or unreachable, so that the key must be tried again."""

    written: list[Written] = field(default_factory=list[Written])
    requeue_after: float | None = None
    failure: Failure | None = None
    again: bool = False


class Applier:
    def __init__(self, client: Client, recorder: Recorder, component: str) -> None:
        self._client = client
        self._recorder = recorder
        self._component = component
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def apply(self, actions: Sequence[Action]) -> Outcome:
        """Carry out all actions; one that fails does not stop the others, since a plan rests on observation alone.

        Never raises for what the API answers: that is in the outcome.
        """
        outcome = Outcome()
        creations: list[Create] = []
        others: list[Write] = []
        for action in actions:
            match action:
                case Create():
                    creations.append(action)
                case Emit():
                    self._recorder.record(self._component, action.note)
                case RequeueAfter():
                    waits = (outcome.requeue_after, action.seconds)
                    outcome.requeue_after = min(wait for wait in waits if wait is not None)
                case _:
                    others.append(action)
        if not others:
            await self._create(creations, outcome)
        elif len(others) == 1 and not creations:
            await self._write(others[0], outcome)
        else:
            await asyncio.gather(self._create(creations, outcome), *(self._write(other, outcome) for other in others))
        return outcome

    async def _create(self, creations: list[Create], outcome: Outcome) -> None:
        """One, then two, then four...: where the first is refused the rest are not tried."""
        batch = 1
        while creations:
            now, creations = creations[:batch], creations[batch:]
            succeeded = await asyncio.gather(*(self._write(creation, outcome) for creation in now))
            if not all(succeeded):
                return
            batch = min(batch * 2, AT_ONCE)

    async def _write(self, write: Write, outcome: Outcome) -> bool:
        try:
            async with self._slots:
                answer = await self._call(write)
        except (AlreadyExists, Conflict):
            # Our cache lagged behind somebody else's write: look again.
            outcome.again = True
            return False
        except NotFound as error:
            if isinstance(write, Create):
                self._failed(write, error, outcome)
                return False
            return True
        except StatusError as error:
            self._failed(write, error, outcome)
            return False
        except ConnectionFailed as error:
            log.info("write lost; trying again", component=self._component, error=str(error))
            outcome.again = True
            return False
        meta = answer.metadata
        if not isinstance(write, DeleteCollection):
            outcome.written.append(_written(write, answer))
        note = None if isinstance(write, (Replace, DeleteCollection)) else write.succeeded
        if note is not None:
            name = meta.name or (write.name if isinstance(write, Delete) else "")
            self._note(note, name=name)
        return True

    async def _call(self, write: Write) -> Object:
        client = self._client
        match write:
            case Create():
                return await client.create(write.resource, write.body, write.namespace or None, view=Object)
            case Patch():
                return await client.patch(
                    write.resource, write.name, _guarded(write), write.namespace or None,
                    kind=write.kind, subresource=write.subresource, view=Object,
                )  # fmt: skip
            case SetStatus():
                meta: Json = {"resourceVersion": write.resource_version}
                if write.annotations:
                    meta["annotations"] = write.annotations
                return await client.patch(
                    write.resource, write.name, {"metadata": meta, "status": write.status}, write.namespace or None,
                    kind=write.kind, subresource="status", view=Object,
                )  # fmt: skip
            case Delete():
                await client.delete(
                    write.resource, write.name, write.namespace or None, uid=write.uid,
                    grace_period_seconds=write.grace_period_seconds, propagation=write.propagation,
                )  # fmt: skip
            case DeleteCollection():
                await client.delete_collection(write.resource, write.namespace or None)
            case Replace():
                await client.update(write.resource, write.body, subresource=write.subresource)
            case _:
                assert_never(write)
        return _NOTHING

    def _failed(self, write: Write, error: StatusError, outcome: Outcome) -> None:
        if isinstance(write, Create) and namespace_terminating(error):
            return
        outcome.again = True
        verb = "create" if isinstance(write, Create) else "delete" if isinstance(write, Delete) else "write"
        if outcome.failure is None:
            outcome.failure = Failure(verb=verb, message=error.message)
            log.warning(
                "write refused; trying again",
                component=self._component, verb=verb, resource=write.resource.qualified, error=error.message,
            )  # fmt: skip
            if not isinstance(write, (Replace, DeleteCollection)) and write.failed is not None:
                self._note(write.failed, name=_name(write), error=error.message)

    def _note(self, note: Note, *, name: str, error: str = "") -> None:
        message = note.message.replace("{name}", name).replace("{error}", error)
        self._recorder.record(self._component, replace(note, message=message))


_NOTHING = Object()


def namespace_terminating(error: StatusError) -> bool:
    """The namespace is going, and with it whatever the object was for."""
    causes: Iterable[Json] = (error.details or {}).get("causes") or ()
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)


def _guarded(write: Patch) -> Any:
    """The patch with its preconditions."""
    if isinstance(write.body, list) or not (write.uid or write.resource_version):
        return write.body
    meta: Json = dict(write.body.get("metadata") or {})
    if write.uid:
        meta["uid"] = write.uid
    if write.resource_version:
        meta["resourceVersion"] = write.resource_version
    return {**write.body, "metadata": meta}


def _name(write: Write) -> str:
    return "" if isinstance(write, (Create, Replace, DeleteCollection)) else write.name


def _written(write: Create | Patch | SetStatus | Delete | Replace, answer: Object) -> Written:
    meta = answer.metadata
    if isinstance(write, Delete):
        return Written(
            resource=write.resource, namespace=write.namespace, name=write.name, uid=write.uid, revision=None
        )  # fmt: skip
    revision = int(meta.resource_version) if meta.resource_version.isdigit() else 0
    return Written(
        resource=write.resource, namespace=meta.namespace, name=meta.name, uid=meta.uid, revision=revision
    )  # fmt: skip
