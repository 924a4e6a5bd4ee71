"""How plans are carried out."""

import asyncio
from typing import Any

import pytest

from apimachinery.aio.clock import FakeClock
from apimachinery.client.transport import Response
from apimachinery.objects.errors import AlreadyExists, Conflict, Forbidden, NotFound, StatusError
from apimachinery.objects.resources import PODS
from engine.controllers.actions import (
    About,
    Create,
    Delete,
    Emit,
    Failure,
    Note,
    Patch,
    RequeueAfter,
    SetStatus,
)
from engine.runtime.applying import AT_ONCE, Applier, Outcome
from engine.runtime.events import Recorder
from engine.runtime.expectations import Written
from tests.engine.runtime.scripted import Asked, Json, Scripted, named

ABOUT = About(api_version="apps/v1", kind="ReplicaSet", namespace="default", name="web", uid="w")
MADE = Note(about=ABOUT, reason="SuccessfulCreate", message="Created pod: {name}")
REFUSED = Note(about=ABOUT, reason="FailedCreate", message="Error creating: {error}", type="Warning")
CREATE = Create(resource=PODS, namespace="default", body={"metadata": {}}, succeeded=MADE, failed=REFUSED)
PATCH = Patch(resource=PODS, namespace="default", name="p", body={"metadata": {"labels": {"a": "b"}}})
STATUS = SetStatus(resource=PODS, namespace="default", name="p", status={"phase": "Failed"}, resource_version="7")
DELETE = Delete(resource=PODS, namespace="default", name="p", uid="u")


class Noting(Recorder):
    """Keeps the notes instead of writing them."""

    def __init__(self) -> None:
        super().__init__(Scripted(lambda _: {}).client, FakeClock())
        self.notes: list[Note] = []

    def record(self, component: str, note: Note) -> None:
        assert component == "tester"
        self.notes.append(note)


async def apply(transport: Scripted, *actions: object) -> tuple[Outcome, list[Note]]:
    recorder = Noting()
    outcome = await Applier(transport.client, recorder, "tester").apply(actions)  # pyright: ignore
    return outcome, recorder.notes


def always(_asked: Asked) -> Json:
    return dict(named("p", 11))


async def test_creations_run_in_growing_batches_and_stop_at_the_first_refusal() -> None:
    count = 0

    def answer(_asked: Asked) -> Json:
        nonlocal count
        count += 1
        if count == 4:
            raise Forbidden("exceeded quota")
        return dict(named(f"p{count}"))

    transport = Scripted(answer)
    outcome, notes = await apply(transport, *[CREATE] * 100)
    assert len(transport.asked) == 1 + 2 + 4
    assert outcome.failure == Failure(verb="create", message="exceeded quota")
    assert outcome.again
    refused = [note for note in notes if note.reason == "FailedCreate"]
    assert [note.message for note in refused] == ["Error creating: exceeded quota"]


async def test_event_names_the_object_as_the_server_named_it() -> None:
    _, notes = await apply(Scripted(lambda _: dict(named("web-x7k2p"))), CREATE)
    assert [note.message for note in notes] == ["Created pod: web-x7k2p"]


async def test_what_was_written_is_reported_with_its_revision() -> None:
    outcome, _ = await apply(Scripted(always), STATUS, DELETE)
    assert set(outcome.written) == {
        Written(resource=PODS, namespace="default", name="p", uid="p", revision=11),
        Written(resource=PODS, namespace="default", name="p", uid="u", revision=None),
    }
    assert not outcome.again


async def test_status_goes_to_its_subresource_with_the_version_it_rests_on() -> None:
    transport = Scripted(always)
    await apply(transport, STATUS)
    (asked,) = transport.asked
    assert (asked.method, asked.path) == ("PATCH", "/api/v1/namespaces/default/pods/p/status")
    assert asked.body == {"metadata": {"resourceVersion": "7"}, "status": {"phase": "Failed"}}


async def test_preconditions_of_a_patch_travel_in_its_metadata() -> None:
    transport = Scripted(always)
    guarded = Patch(resource=PODS, namespace="default", name="p", body={"spec": {}}, uid="u", resource_version="3")
    await apply(transport, guarded)
    assert transport.asked[0].body == {"spec": {}, "metadata": {"uid": "u", "resourceVersion": "3"}}


async def test_deletion_is_bound_to_the_uid() -> None:
    transport = Scripted(always)
    await apply(transport, DELETE)
    assert transport.asked[0].body["preconditions"] == {"uid": "u"}


@pytest.mark.parametrize(
    ("action", "error", "again", "failed"),
    [
        pytest.param(PATCH, Conflict.modified("pods", "p"), True, False, id="somebody else wrote: look again"),
        pytest.param(CREATE, AlreadyExists.of("pods", "p"), True, False, id="there already: look again"),
        pytest.param(PATCH, NotFound.of("pods", "p"), False, False, id="gone: nothing left to do"),
        pytest.param(DELETE, NotFound.of("pods", "p"), False, False, id="deleted already"),
        pytest.param(PATCH, StatusError("broken"), True, True, id="refused: try again later"),
        pytest.param(
            CREATE,
            Forbidden("no", details={"causes": [{"reason": "NamespaceTerminating"}]}),
            False,
            False,
            id="the namespace is going: no reason to complain",
        ),
    ],
)
async def test_answers_that_are_no_success(action: object, error: StatusError, again: bool, failed: bool) -> None:
    def refuse(_asked: Asked) -> Json:
        raise error

    outcome, notes = await apply(Scripted(refuse), action)
    assert outcome.again is again
    assert (outcome.failure is not None) is failed
    assert outcome.written == []
    assert notes == []


async def test_one_refusal_does_not_hold_up_the_other_writes() -> None:
    def answer(asked: Asked) -> Json:
        if asked.method == "POST":
            raise Forbidden("no")
        return dict(named("p", 3))

    outcome, _ = await apply(Scripted(answer), CREATE, STATUS)
    assert outcome.failure is not None
    assert [write.revision for write in outcome.written] == [3]


async def test_earliest_wake_up_counts_and_events_are_recorded() -> None:
    note = Note(about=ABOUT, reason="SelectingAll", message="...")
    outcome, notes = await apply(Scripted(always), RequeueAfter(seconds=5), Emit(note=note), RequeueAfter(seconds=2))
    assert outcome.requeue_after == 2
    assert notes == [note]


class Slow(Scripted):
    """Answers after the others had their turn; knows how many waited at most."""

    def __init__(self) -> None:
        super().__init__(always)
        self.waiting = self.most = 0

    async def request(self, method: str, path: str, **facts: Any) -> Response:
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        for _ in range(5):
            await asyncio.sleep(0)
        self.waiting -= 1
        return await super().request(method, path, **facts)


async def test_plans_of_one_controller_share_what_may_be_under_way() -> None:
    transport = Slow()
    applier = Applier(transport.client, Noting(), "tester")
    await asyncio.gather(*(applier.apply([CREATE] * 100) for _ in range(5)))
    assert len(transport.asked) == 500
    assert transport.most == AT_ONCE
