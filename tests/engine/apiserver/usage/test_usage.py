"""What machines and pods use: reading the agents' words, reckoning with them, asking no more than needed."""

import msgspec
import pytest

from apimachinery.aio.clock import FakeClock
from apimachinery.objects.errors import ServiceUnavailable
from engine.apiserver.usage.exposition import Reading, parse
from engine.apiserver.usage.reckoning import Usage, pod_metrics, usage
from engine.apiserver.usage.server import FIRST_WINDOW, KEPT_SECONDS, RETRY_SECONDS, UsageServer
from engine.store.protocol import Record

TEXT = """# HELP container_cpu_usage_seconds_total ...
container_cpu_usage_seconds_total{{container="main",namespace="ns",pod="web"}} {cpu} {at}
container_memory_working_set_bytes{{container="main",namespace="ns",pod="web"}} 2048 {at}
container_start_time_seconds{{container="main",namespace="ns",pod="web"}} 1000
node_cpu_usage_seconds_total {cpu} {at}
node_memory_working_set_bytes 4096 {at}
resource_scrape_error 0
nonsense{{
"""


def said(at: float, cpu: float) -> str:
    return TEXT.format(at=int(at * 1000), cpu=cpu)


def test_readings_are_told_apart_by_their_labels() -> None:
    scrape = parse(said(1010, 2.5))
    assert scrape.node == Reading(1010.0, 2.5, 4096.0)
    assert scrape.containers == {("ns", "web", "main"): Reading(1010.0, 2.5, 2048.0, 1000.0)}


@pytest.mark.parametrize(
    ("before", "after", "cpu", "window"),
    [
        pytest.param(Reading(10, 1.0, 5, 3), Reading(20, 6.0, 5, 3), 0.5, 10, id="between-readings"),
        pytest.param(None, Reading(20, 4.0, 5, 12), 0.5, 8, id="young-container-by-its-whole-life"),
        pytest.param(Reading(10, 9.0, 5, 3), Reading(20, 1.0, 5, 18), 0.5, 2, id="restarted-container"),
        pytest.param(Reading(10, 9.0, 5), Reading(20, 8.0, 5), 0.0, 10, id="counter-that-went-back"),
    ],
)
def test_usage_is_work_over_time(before: Reading | None, after: Reading, cpu: float, window: float) -> None:
    found = usage(before, after)
    assert found is not None
    assert (found.cpu, found.window, found.memory) == (cpu, window, 5)


@pytest.mark.parametrize(
    "after",
    [pytest.param(Reading(20, None, 5), id="no-cpu"), pytest.param(Reading(20, 1.0, 5), id="nothing-to-compare")],
)
def test_readings_that_tell_nothing_give_no_usage(after: Reading) -> None:
    assert usage(None, after) is None


def test_amounts_are_written_as_a_metrics_server_writes_them() -> None:
    metrics = pod_metrics("ns", "web", {"app": "web"}, {"main": Usage(0.0125, 3 * 1024 * 1024 + 5, 1000, 61.5)})
    assert metrics["containers"] == [{"name": "main", "usage": {"cpu": "12500000n", "memory": "3072Ki"}}]
    assert metrics["window"] == "1m1.5s"
    assert metrics["metadata"]["labels"] == {"app": "web"}


class QuickClock(FakeClock):
    """Whoever sleeps on it moves it."""

    async def sleep(self, seconds: float) -> None:
        await self.advance(seconds)


class Machines:
    """Agents whose work grows by half a core; those in `away` do not answer."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.asked: list[str] = []
        self.away: set[str] = set()

    async def fetch(self, node: str, _path: str) -> bytes:
        self.asked.append(node)
        if node in self.away:
            raise ServiceUnavailable(f'node "{node}" is not connected')
        at = self.clock.monotonic() + 5000
        return said(at, at / 2).encode()


def named(name: str, namespace: str = "") -> Record:
    value = {"metadata": {"name": name, "namespace": namespace, "labels": {"l": name}}, "spec": {"nodeName": "m1"}}
    return Record(name, msgspec.json.encode(value), 1)


def metrics_of(machines: Machines, *nodes: str) -> UsageServer:
    return UsageServer(
        machines.fetch,
        machines.clock,
        nodes=lambda: [named(node) for node in nodes],
        pods=lambda namespace: [named("web", "ns")] if namespace in ("", "ns") else [],
    )


def names(records: list[Record]) -> list[str]:
    return [msgspec.json.decode(record.value)["metadata"]["name"] for record in records]


async def test_machines_that_do_not_answer_are_left_out_and_asked_again_soon() -> None:
    machines = Machines(QuickClock())
    machines.away = {"m2"}
    metrics = metrics_of(machines, "m1", "m2")
    assert names(await metrics.of_nodes()) == ["m1"]
    machines.away = set()
    assert names(await metrics.of_nodes()) == ["m1"]
    await machines.clock.sleep(RETRY_SECONDS)
    assert names(await metrics.of_nodes()) == ["m1", "m2"]


async def test_answers_are_kept_for_a_while() -> None:
    machines = Machines(QuickClock())
    metrics = metrics_of(machines, "m1", "m2")
    await metrics.of_nodes()
    assert sorted(machines.asked) == ["m1", "m1", "m2", "m2"]
    assert names(await metrics.of_pods("ns")) == ["web"]
    assert await metrics.of_pods("other") == []
    assert len(machines.asked) == 4
    await machines.clock.sleep(KEPT_SECONDS)
    (pod,) = await metrics.of_pods("")
    assert len(machines.asked) == 6
    found = msgspec.json.decode(pod.value)
    assert found["containers"] == [{"name": "main", "usage": {"cpu": "500000000n", "memory": "2Ki"}}]
    assert found["window"] == f"{KEPT_SECONDS:.0f}s"


async def test_a_machine_nobody_asked_about_lately_is_read_twice() -> None:
    machines = Machines(QuickClock())
    metrics = metrics_of(machines, "m1")
    (node,) = await metrics.of_nodes()
    assert msgspec.json.decode(node.value)["window"] == f"{FIRST_WINDOW:.0f}s"
    await machines.clock.sleep(3600)
    (node,) = await metrics.of_nodes()
    assert msgspec.json.decode(node.value)["window"] == f"{FIRST_WINDOW:.0f}s"
