"""Frames, options and choices of the agent's server."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimachinery.objects.errors import BadRequest
from nodeagent.cri.types import State
from nodeagent.server import spdy
from nodeagent.server.app import common_name, log_of, log_options
from nodeagent.server.portforward import asked_ports
from nodeagent.server.streams import Wanted
from tests.nodeagent.pods.objects import ended, pod, ran


def test_the_dictionary_is_that_of_the_specification() -> None:
    assert zlib.adler32(spdy.dictionary()) == 0xE3C6A7C2


def test_streams_are_opened_with_odd_numbers_and_headers_that_unpack() -> None:
    connection, unpack = spdy.Connection(), zlib.decompressobj(zdict=spdy.dictionary())
    first, frame = connection.open_stream({"streamtype": "error"})
    second, other = connection.open_stream({"streamtype": "stdin"})
    assert (first, second) == (1, 3)
    assert frame[:4] == b"\x80\x03\x00\x01"
    block = unpack.decompress(frame[18:]) + unpack.decompress(other[18:])
    assert b"streamtype" in block
    assert block.endswith(b"\x00\x00\x00\x05stdin")


@given(st.lists(st.binary(max_size=50), max_size=5), st.integers(1, 20))
def test_data_arrives_whole_however_it_is_cut(payloads: list[bytes], step: int) -> None:
    sender, receiver = spdy.Connection(), spdy.Connection()
    wire = b"".join(sender.data(5, payload, last=True) for payload in payloads)
    cuts = [wire[at : at + step] for at in range(0, len(wire), step)]
    arrived = [frame for cut in cuts for frame in receiver.receive(cut)]
    assert arrived == [spdy.Data(5, payload, last=True) for payload in payloads]


def test_pings_are_answered() -> None:
    ping = b"\x80\x03\x00\x06\x00\x00\x00\x04\x00\x00\x00\x02"
    assert list(spdy.Connection().receive(ping)) == [spdy.Reply(ping)]


@pytest.mark.parametrize(
    ("wanted", "channels"),
    [
        pytest.param(Wanted(stdin=False, stdout=True, stderr=True, tty=False), [3, 1, 2], id="plain"),
        pytest.param(Wanted(stdin=True, stdout=True, stderr=True, tty=True), [3, 0, 1, 4], id="terminal"),
    ],
)
def test_channels(wanted: Wanted, channels: list[int]) -> None:
    assert wanted.channels() == channels


def test_log_options_are_read() -> None:
    options = log_options({"follow": "true", "tailLines": "5", "sinceSeconds": "60", "limitBytes": "9"}, 1000.0)
    assert (options.follow, options.tail, options.since, options.limit_bytes) == (True, 5, 940.0, 9)


@pytest.mark.parametrize("query", [{"tailLines": "x"}, {"sinceTime": "yesterday"}], ids=["number", "time"])
def test_unreadable_options_are_refused(query: dict[str, str]) -> None:
    with pytest.raises(BadRequest, match=next(iter(query))):
        log_options(query, 0.0)


def test_the_log_of_the_newest_run_or_the_one_before() -> None:
    runs = (ended(attempt=0), ended(attempt=1), ran(attempt=2))
    assert log_of(pod(), "main", runs, previous=False).attempt == 2
    assert log_of(pod(), "main", runs, previous=True).attempt == 1


@pytest.mark.parametrize(
    ("runs", "previous", "message"),
    [
        pytest.param((), False, 'container "main" in pod "web" is waiting to start: ContainerCreating', id="none"),
        pytest.param((ran(state=State.CREATED),), False, "is waiting to start", id="created"),
        pytest.param((ran(),), True, 'previous terminated container "main" in pod "web" not found', id="no previous"),
    ],
)
def test_a_log_that_is_not_there_is_refused(runs: tuple[object, ...], previous: bool, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        log_of(pod(), "main", runs, previous=previous)  # type: ignore[arg-type]


def test_common_names() -> None:
    assert common_name({"subject": ((("organizationName", "o"),), (("commonName", "me"),))}) == "me"
    assert common_name(None) == ""


def test_ports_of_a_request_keep_their_order() -> None:
    assert asked_ports(["80", "7"]) == [80, 7]


@pytest.mark.parametrize("texts", [[], ["http"], ["0"], ["65536"], ["80", "-1"]])
def test_ports_that_cannot_be_are_refused(texts: list[str]) -> None:
    with pytest.raises(BadRequest):
        asked_ports(texts)
