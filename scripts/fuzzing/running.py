"""Sends cases to an engine of its own and gathers what went wrong."""

import asyncio
import re
import ssl
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from apimachinery.client.client import Client
from scripts.benchmarks.process import EngineProcess, engine
from scripts.fuzzing.cases import Case, Cases
from scripts.fuzzing.connection import Answer, Connection, Gone
from scripts.fuzzing.judge import problem
from scripts.fuzzing.values import Json

_PATIENCE = 20.0
_SLOW = 5.0
_CRY = re.compile(rb"Traceback \(most recent call last\)|\[error|request failed|\berror\b.*exc_info", re.IGNORECASE)
_FORMS = (
    "application/json",
    "application/yaml",
    "application/json;as=Table;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
)


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    case: Case | None = None

    def __str__(self) -> str:
        return self.what if self.case is None else f"case {self.case.number}: {self.what}\n    {self.case.command()}"


@dataclass(slots=True)
class Report:
    """What a run gave. Memory in MB: before, and after every tenth of the cases."""

    findings: list[Finding] = field(default_factory=list[Finding])
    statuses: Counter[int] = field(default_factory=Counter[int])
    memory: list[float] = field(default_factory=list[float])
    slowest: tuple[float, int] = (0.0, 0)
    seconds: float = 0.0
    objects: int = 0


async def run(
    seed: int, numbers: Iterable[int], *, workers: int = 8, progress: Callable[[str], None] = lambda _: None
) -> Report:
    """Start an engine, send it the cases with these numbers, look whether all is well afterwards."""
    report = Report()
    with tempfile.TemporaryDirectory(prefix="pilothouse-fuzz-") as folder:
        words, data_dir = Path(folder) / "log", Path(folder) / "data"
        async with engine(data_dir=data_dir, log=words) as server:
            cases = await _cases(server, seed)
            await _plant(server, cases)
            await _throw(server, cases, list(numbers), workers, report, progress)
            if server.alive:
                await _look_through(server, cases, report)
                report.memory.append(server.memory_mb())
        # What it took in, it must be able to read again.
        async with engine(data_dir=data_dir, log=words) as server:
            found = report.objects
            await _look_through(server, cases, report)
            if report.objects < found - 50:
                report.findings.append(Finding(f"{found} objects before the restart, {report.objects} after"))
        report.findings += _cries(words.read_bytes())
    return report


async def _cases(server: EngineProcess, seed: int) -> Cases:
    transport = server.access.transport()
    try:
        index = msgspec.json.decode((await transport.request("GET", "/openapi/v3")).body)
        documents: list[Json] = []
        for entry in index["paths"].values():
            path = entry["serverRelativeURL"]
            documents.append(msgspec.json.decode((await transport.request("GET", path)).body))
    finally:
        await transport.close()
    return Cases(seed, documents)


async def _plant(server: EngineProcess, cases: Cases) -> None:
    """One good object of each kind that is kept, so that there is something to change."""
    client = Client(server.access.transport())
    try:
        for seed in cases.seeds:
            group, _, version = seed["apiVersion"].rpartition("/")
            if group in ("authorization.k8s.io", "authentication.k8s.io", "admissionregistration.k8s.io"):
                continue
            plural = _PLURALS.get(seed["kind"], f"{seed['kind'].lower()}s")
            base = f"/apis/{group}/{version}" if group else f"/api/{version}"
            namespace = seed["metadata"].get("namespace", "")
            path = f"{base}/namespaces/{namespace}/{plural}" if namespace else f"{base}/{plural}"
            await client.transport.request(
                "POST", path, body=msgspec.json.encode(seed), headers={"content-type": "application/json"}
            )
            if seed["kind"] == "CustomResourceDefinition":
                await asyncio.sleep(1)
    finally:
        await client.close()


_PLURALS = {
    "Endpoints": "endpoints", "Ingress": "ingresses", "NetworkPolicy": "networkpolicies", "StorageClass": "storageclasses",
    "PriorityClass": "priorityclasses",
}  # fmt: skip


async def _throw(
    server: EngineProcess,
    cases: Cases,
    numbers: list[int],
    workers: int,
    report: Report,
    progress: Callable[[str], None],
) -> None:
    started = time.perf_counter()
    report.memory.append(server.memory_mb())
    tenth = max(1, len(numbers) // 10)
    queue = iter(enumerate(numbers, 1))
    contexts = (_anonymous(server), _admin(server))

    async def worker() -> None:
        connections = [Connection(server.port, context) for context in contexts]
        try:
            for position, number in queue:
                case = cases.case(number)
                if not server.alive:
                    report.findings.append(Finding("the engine was gone before this", case))
                    return
                finding = await _one(connections[case.certificate], case, report)
                if finding is not None:
                    report.findings.append(finding)
                    progress(str(finding))
                if position % tenth == 0:
                    report.memory.append(server.memory_mb())
                    progress(f"{position} sent, {len(report.findings)} findings, {report.memory[-1]:.0f} MB")
        finally:
            for connection in connections:
                await connection.close()

    await asyncio.gather(*(worker() for _ in range(workers)))
    report.seconds = time.perf_counter() - started


async def _one(connection: Connection, case: Case, report: Report) -> Finding | None:
    began = time.perf_counter()
    try:
        async with asyncio.timeout(_PATIENCE):
            if case.method:
                answer = await connection.exchange(case.wire, bodyless=case.method == "HEAD", lasting=case.lasting)
                report.statuses[answer.status] += 1
                what = problem(case, answer)
                if case.last:
                    await connection.close()
            else:
                statuses = await connection.throw(case.wire)
                report.statuses.update(statuses or [0])
                # The seeds' pods are on no machine that is connected, which is what a command in one is told.
                broken = {500, 502, 504} if b"/exec?" in case.wire else {500, 502, 503, 504}
                what = "".join(f"status {status}" for status in statuses if status in broken)
    except TimeoutError:
        what = f"no answer within {_PATIENCE:.0f} s"
    except (Gone, OSError, ValueError) as error:
        what = f"no answer: {type(error).__name__} {error}"
    took = time.perf_counter() - began
    report.slowest = max(report.slowest, (took, case.number))
    return Finding(what or f"took {took:.1f} s", case) if what or took > _SLOW else None


async def _look_through(server: EngineProcess, cases: Cases, report: Report) -> None:
    """Whatever got in must be shown in every form."""
    connection = Connection(server.port, _admin(server))
    report.objects = 0
    try:
        for path in (*cases.collections(), "/apis/example.com/v1/widgets"):
            if path.startswith("/apis/metrics.k8s.io"):
                continue
            for form in _FORMS:
                wire = f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {form}\r\n\r\n".encode()
                case = Case(-1, wire, "GET", path, [("Accept", form)])
                answer = await connection.exchange(wire, bodyless=False, lasting=False)
                what = problem(case, answer)
                if what or (answer.status != 200 and "example.com" not in path):
                    report.findings.append(Finding(what or f"status {answer.status}", case))
                elif form == "application/json" and answer.status == 200:
                    report.objects += _count(answer)
    finally:
        await connection.close()


def _count(answer: Answer) -> int:
    return len(msgspec.json.decode(answer.body)["items"])


def _cries(log: bytes) -> list[Finding]:
    lines = log.splitlines()
    return [
        Finding("in the engine's log: " + b"\n".join(lines[max(0, at - 1) : at + 30]).decode("utf-8", "replace"))
        for at, line in enumerate(lines)
        if _CRY.search(line)
    ]


def _admin(server: EngineProcess) -> ssl.SSLContext:
    context = server.access.ssl_context
    if not isinstance(context, ssl.SSLContext):
        raise TypeError("the engine's kubeconfig names no certificate")
    return context


def _anonymous(server: EngineProcess) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(server.data_dir / "pki" / "ca.crt"))
