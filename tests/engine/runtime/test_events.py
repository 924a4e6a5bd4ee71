"""How events are recorded."""

import asyncio

from apimachinery.aio.clock import FakeClock
from apimachinery.objects.errors import NotFound
from engine.controllers.actions import About, Note
from engine.runtime.events import Recorder, event
from tests.engine.runtime.scripted import Asked, Json, Scripted

POD = About(api_version="v1", kind="Pod", namespace="default", name="p", uid="u")


def note(message: str = "hello", about: About = POD) -> Note:
    return Note(about=about, reason="Greeting", message=message)


async def recorded(recorder: Recorder) -> None:
    """Let the recorder write all it has."""
    task = asyncio.ensure_future(recorder.run())
    for _ in range(200):
        await asyncio.sleep(0)
    task.cancel()


def test_event_looks_like_upstreams() -> None:
    body = event("tester", note(), "p.1", "2026-01-01T00:00:00Z")
    assert body["involvedObject"] == {
        "apiVersion": "v1", "kind": "Pod", "namespace": "default", "name": "p", "uid": "u",
    }  # fmt: skip
    assert body["source"] == {"component": "tester"}
    assert (body["reason"], body["message"], body["type"], body["count"]) == ("Greeting", "hello", "Normal", 1)
    assert body["firstTimestamp"] == body["lastTimestamp"] == "2026-01-01T00:00:00Z"


async def test_repeated_event_is_counted_not_written_again() -> None:
    transport = Scripted(lambda _: {})
    recorder = Recorder(transport.client, FakeClock())
    for _ in range(3):
        recorder.record("tester", note())
    await recorded(recorder)
    assert [asked.method for asked in transport.asked] == ["POST", "PATCH", "PATCH"]
    assert transport.asked[-1].body["count"] == 3
    assert transport.asked[-1].path.endswith(transport.asked[0].body["metadata"]["name"])


async def test_event_that_has_expired_is_written_anew() -> None:
    def answer(asked: Asked) -> Json:
        if asked.method == "PATCH":
            raise NotFound.of("events", "p.1")
        return {}

    transport = Scripted(answer)
    recorder = Recorder(transport.client, FakeClock())
    recorder.record("tester", note())
    recorder.record("tester", note())
    await recorded(recorder)
    assert [asked.method for asked in transport.asked] == ["POST", "PATCH", "POST"]


async def test_flood_about_one_object_is_cut_off_and_others_are_not() -> None:
    clock = FakeClock()
    transport = Scripted(lambda _: {})
    recorder = Recorder(transport.client, clock)
    for number in range(40):
        recorder.record("tester", note(f"n{number}"))
    other = About(api_version="v1", kind="Pod", namespace="default", name="q", uid="v")
    recorder.record("tester", note(about=other))
    await recorded(recorder)
    assert len(transport.asked) == 25 + 1
    await clock.advance(600)
    for number in range(5):
        recorder.record("tester", note(f"late{number}"))
    await recorded(recorder)
    assert len(transport.asked) == 26 + 2


async def test_events_that_differ_in_their_message_alone_become_one_from_the_tenth_on() -> None:
    clock = FakeClock()
    transport = Scripted(lambda _: {})
    recorder = Recorder(transport.client, clock)
    for number in range(12):
        recorder.record("tester", note(f"n{number}"))
    await recorded(recorder)
    assert [asked.method for asked in transport.asked] == ["POST"] * 10 + ["PATCH"] * 2
    made = [asked.body["message"] for asked in transport.asked[:10]]
    assert made == [*(f"n{number}" for number in range(9)), "(combined from similar events): n9"]
    last = transport.asked[-1].body
    assert (last["count"], last["message"]) == (3, "(combined from similar events): n11")
    # Another reason is another matter, and so are events of a later time.
    recorder.record("tester", Note(about=POD, reason="Farewell", message="n12"))
    await clock.advance(601)
    recorder.record("tester", note("n13"))
    await recorded(recorder)
    assert [asked.body["message"] for asked in transport.asked[12:]] == ["n12", "n13"]


async def test_event_about_an_object_of_the_cluster_stands_in_the_default_namespace() -> None:
    transport = Scripted(lambda _: {})
    recorder = Recorder(transport.client, FakeClock())
    recorder.record("tester", note(about=About(api_version="v1", kind="Node", namespace="", name="m1", uid="m")))
    await recorded(recorder)
    assert transport.asked[0].path == "/api/v1/namespaces/default/events"
    assert "namespace" not in transport.asked[0].body["involvedObject"]
