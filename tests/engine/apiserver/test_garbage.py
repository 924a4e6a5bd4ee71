"""What fuzzing found, one by one: each of these once ended in a 500, a hang, or an object that could not be read."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from apimachinery.objects.resources import SERVICEACCOUNTS
from engine.apiserver.answers import warning_headers
from engine.apiserver.incoming import BODY_LIMIT
from engine.apiserver.schema.jsonbody import MAX_DEPTH, parse_json
from engine.apiserver.schema.types import Time
from engine.apiserver.schema.yamlbody import parse_yaml
from scripts.fuzzing.encoding import YAML_BOMB
from tests.engine.conftest import RunningEngine

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
JSON = {"content-type": "application/json"}


class Asking:
    """Requests by hand, and what they are answered."""

    def __init__(self, engine: RunningEngine, session: aiohttp.ClientSession) -> None:
        self.engine = engine
        self._session = session
        self._ssl = engine.ssl()

    async def __call__(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        async with self._session.request(method, self.engine.url + path, ssl=self._ssl, **options) as answer:
            body = await answer.read()
            return answer.status, json.loads(body) if body else None

    async def raw(self, data: bytes) -> bytes:
        """What comes back for bytes that are sent as they are, until the connection ends or a second passes."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.engine.port, ssl=self._ssl, server_hostname="localhost"
        )
        writer.write(data)
        gathered = b""
        try:
            while chunk := await asyncio.wait_for(reader.read(1 << 16), 1):
                gathered += chunk
        except TimeoutError:
            pass
        writer.transport.abort()
        await asyncio.sleep(0)
        return gathered


@pytest.fixture
async def ask(engine: RunningEngine) -> AsyncIterator[Asking]:
    async with aiohttp.ClientSession() as session:
        yield Asking(engine, session)


def config_map(name: str, **data: str) -> bytes:
    return json.dumps({"metadata": {"name": name}, "data": data}).encode()


async def test_packed_bodies_are_unpacked_and_broken_ones_refused(ask: Asking) -> None:
    packed = {**JSON, "content-encoding": "gzip"}
    plain = config_map("packed", a="b" * 1000)
    first, second = plain[:50], plain[50:]
    whole = gzip.compress(first) + gzip.compress(second)
    assert (await ask("POST", CONFIGMAPS, data=whole, headers=packed))[0] == 201
    for broken in (whole[:-4], plain, b"\x1f\x8b"):
        status, told = await ask("POST", CONFIGMAPS, data=broken, headers=packed)
        assert (status, told["reason"]) == (400, "BadRequest")
        assert "not valid gzip" in told["message"]
    bomb = gzip.compress(b" " * (BODY_LIMIT + 1))
    assert (await ask("POST", CONFIGMAPS, data=bomb, headers=packed))[0] == 413
    status, told = await ask("POST", CONFIGMAPS, data=plain, headers={**JSON, "content-encoding": "br"})
    assert (status, told["reason"]) == (415, "UnsupportedMediaType")


def nested(depth: int) -> bytes:
    return b'{"a":[' * (depth // 2) + b"]}" * (depth // 2)


def test_documents_may_nest_only_so_deep() -> None:
    parse_json(nested(MAX_DEPTH))
    parse_yaml(nested(MAX_DEPTH))
    for depth in (MAX_DEPTH + 2, 2000, 200_000):
        with pytest.raises(ValueError, match="exceeded max depth"):
            parse_json(nested(depth))
        with pytest.raises(ValueError):
            parse_yaml(nested(depth))


@pytest.mark.parametrize(
    ("method", "path", "content_type"),
    [
        pytest.param("POST", CONFIGMAPS, "application/json", id="create"),
        pytest.param("PATCH", f"{CONFIGMAPS}/kube-root-ca.crt", "application/merge-patch+json", id="merge"),
        pytest.param("PATCH", f"{CONFIGMAPS}/kube-root-ca.crt", "application/json-patch+json", id="json patch"),
        pytest.param("PATCH", f"{CONFIGMAPS}/kube-root-ca.crt", "application/apply-patch+yaml", id="apply"),
        pytest.param("DELETE", f"{CONFIGMAPS}/a", "application/json", id="delete options"),
    ],
)
@pytest.mark.parametrize("depth", [300, 20_000])
async def test_deep_bodies_are_refused(ask: Asking, method: str, path: str, content_type: str, depth: int) -> None:
    await ask("POST", CONFIGMAPS, data=config_map("kube-root-ca.crt"), headers=JSON)
    query = "?fieldManager=a&force=true" if "apply" in content_type else ""
    status, told = await ask(method, path + query, data=nested(depth), headers={"content-type": content_type})
    assert (status, told["kind"]) == (400, "Status")


async def test_yaml_that_grows_by_its_aliases_is_refused_at_once(ask: Asking) -> None:
    async with asyncio.timeout(5):
        status, told = await ask("POST", CONFIGMAPS, data=YAML_BOMB, headers={"content-type": "application/yaml"})
    assert status == 400
    assert "document contains excessive aliasing" in told["message"]


def test_a_few_aliases_are_fine_and_infinity_is_not() -> None:
    assert parse_yaml(b"a: &x {k: 1}\nb: *x\nc: {<<: *x, d: 2}")[0] == {
        "a": {"k": 1},
        "b": {"k": 1},
        "c": {"k": 1, "d": 2},
    }
    for text in (b"a: .inf", b"a: -.INF", b"a: .nan", b"<<: [1]", b"a: &x {b: *x}"):
        with pytest.raises(ValueError):
            parse_yaml(text)


@pytest.mark.parametrize(
    "query",
    [
        "limit=" + "1" * 5000,
        "limit=%C2%B2",
        "resourceVersion=" + "1" * 5000,
        "resourceVersion=18446744073709551616",
        "watch=1&resourceVersion=" + "9" * 5000,
        "watch=1&timeoutSeconds=%C2%B2",
        "watch=1&timeoutSeconds=" + "1" * 5000,
    ],
)
async def test_numbers_in_a_query_have_64_bits_and_plain_digits(ask: Asking, query: str) -> None:
    status, told = await ask("GET", f"{CONFIGMAPS}?{query}")
    assert status in (400, 422)
    assert "invalid syntax" in told["message"] or "value out of range" in told["message"]


async def test_a_long_selector_is_served(ask: Asking) -> None:
    names = ",".join(f"name-{number}" for number in range(4000))
    status, told = await ask("GET", f"{CONFIGMAPS}?labelSelector=app+in+({names})")
    assert (status, told["items"]) == (200, [])


async def test_field_names_cannot_break_out_of_the_warning_header(ask: Asking) -> None:
    body = json.dumps({"metadata": {"name": "w"}, "x\r\nSet-Cookie: a": 1, "y\0": 2}).encode()
    assert (await ask("POST", CONFIGMAPS, data=body, headers=JSON))[0] == 201


def test_warnings_end_at_four_kilobytes() -> None:
    header = warning_headers([f"{number}:" + "x" * 1000 for number in range(50)])["warning"]
    assert header.count("299 - ") == 5
    assert len(header) < 5000


@pytest.mark.parametrize("micro", [False, True])
def test_times_are_kept_with_four_digits_of_the_year_or_refused(micro: bool) -> None:
    from engine.apiserver.schema.problems import Strict, Where, WrongType

    time = Time(micro=micro)
    tail = ".000000Z" if micro else "Z"
    assert time.decode("0001-01-01T00:00:00Z", Where(), Strict()) == f"0001-01-01T00:00:00{tail}"
    for text in ("2024-13-45T99:99:99", "2024-02-30T00:00:00", "٢٠٢٤-01-01T00:00:00"):
        assert time.count(text + tail) < 0
    for text in ("0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00", "2024-02-30T00:00:00Z"):
        with pytest.raises(WrongType):
            time.decode(text, Where(), Strict())


async def test_methods_that_are_not_ours_are_answered(ask: Asking) -> None:
    asked = await ask.raw(b"CONNECT /api/v1/pods HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n")
    assert asked.startswith(b"HTTP/1.1 405 ")
    assert (await ask.raw(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(b"HTTP/1.1 404 ")


async def test_head_of_a_long_document_leaves_the_connection_usable(ask: Asking) -> None:
    head = b"HEAD /openapi/v2 HTTP/1.1\r\nHost: x\r\n\r\n"
    answers = await ask.raw(head + b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
    first, second = answers.split(b"\r\n\r\n", 1)
    assert int(first.lower().split(b"content-length: ")[1].split(b"\r\n")[0]) > 128 << 10
    assert second.startswith(b"HTTP/1.1 200 ")
    assert b"gitVersion" in second


async def test_a_header_that_is_no_text_is_refused(ask: Asking) -> None:
    for name in (b"User-Agent", b"Impersonate-User", b"X-Other"):
        told = await ask.raw(b"GET /api/v1/pods HTTP/1.1\r\nHost: x\r\n%b: \xff\r\n\r\n" % name)
        assert told.startswith(b"HTTP/1.1 400 ")
        assert b"is not UTF-8" in told


async def test_nonsense_on_the_wire_is_not_logged(ask: Asking, caplog: pytest.LogCaptureFixture) -> None:
    for data in (b"\x00\x01\x02\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"):
        assert b" 400 " in await ask.raw(data)
    assert caplog.text == ""


def test_rules_work_in_an_engine_without_rich() -> None:
    # As the command starts it; the rules' library would load rich if it came with its own shell.
    program = (
        "import sys; sys.modules['rich'] = None\n"
        "from engine.apiserver.cel.program import Budget, evaluate\n"
        "assert evaluate('self.x > 1', {'self': {'x': 2}}, Budget()) is True\n"
        "assert 'prompt_toolkit' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


async def test_resize_that_takes_the_spec_away_is_refused(ask: Asking) -> None:
    pods = "/api/v1/namespaces/default/pods"
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "c"}]}}
    await ask.engine.client.create(SERVICEACCOUNTS, {"metadata": {"name": "default"}}, "default")
    assert (await ask("POST", pods, json=pod))[0] == 201
    patch = {"content-type": "application/merge-patch+json"}
    status, told = await ask("PATCH", f"{pods}/p/resize", data=b'{"spec":null}', headers=patch)
    assert (status, told["reason"]) == (422, "Invalid")
