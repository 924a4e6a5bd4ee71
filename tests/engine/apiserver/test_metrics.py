"""What /metrics says about the API server's work."""

from __future__ import annotations

import aiohttp
import pytest

from apimachinery.objects.errors import NotFound
from apimachinery.objects.resources import CONFIGMAPS
from engine.apiserver.metrics import Metrics
from engine.apiserver.route import Route
from tests.engine.apiserver.test_api import config_map
from tests.engine.conftest import RunningEngine

GET = Route("get", "apps", "v1", "deployments", "default", "web")
LABELS = 'verb="GET",group="apps",version="v1",resource="deployments",subresource="",scope="resource"'


def test_requests_are_counted_by_code_and_timed_in_growing_buckets() -> None:
    metrics = Metrics()
    for code, seconds in ((200, 0.001), (200, 0.03), (404, 99.0)):
        metrics.count(GET, code, seconds)
    lines = metrics.text().splitlines()
    assert f'apiserver_request_total{{{LABELS},code="200"}} 2' in lines
    assert f'apiserver_request_total{{{LABELS},code="404"}} 1' in lines
    for bound, count in (("0.005", 1), ("0.025", 1), ("0.05", 2), ("60.0", 2), ("+Inf", 3)):
        assert f'apiserver_request_duration_seconds_bucket{{{LABELS},le="{bound}"}} {count}' in lines
    assert f"apiserver_request_duration_seconds_count{{{LABELS}}} 3" in lines
    assert f"apiserver_request_duration_seconds_sum{{{LABELS}}} 99.031" in lines


def test_label_values_cannot_break_out() -> None:
    metrics = Metrics()
    metrics.gauge("it", "Something.", lambda: [({"name": 'a"b\\c\n'}, 1.5)])
    assert 'it{name="a\\"b\\\\c\\n"} 1.5' in metrics.text().splitlines()


async def test_a_masters_scrape_shows_requests_objects_and_watches(engine: RunningEngine) -> None:
    await engine.client.create(CONFIGMAPS, config_map("a"), "default")
    with pytest.raises(NotFound):
        await engine.client.get(CONFIGMAPS, "nope", "default")
    events = engine.client.watch(CONFIGMAPS, "default", resource_version="0")
    await anext(events)
    text = (await engine.client.call("GET", "/metrics")).decode()
    await events.aclose()
    about = 'group="",version="v1",resource="configmaps",subresource=""'
    # One of each is the engine's own: the ConfigMap by which aggregated servers know it.
    assert f'apiserver_request_total{{verb="POST",{about},scope="namespace",code="201"}} 2\n' in text
    assert 'apiserver_resource_objects{group="",resource="configmaps"} 2\n' in text
    assert f'apiserver_request_total{{verb="GET",{about},scope="resource",code="404"}} ' in text
    assert 'apiserver_longrunning_requests{verb="WATCH",group="",version="v1",resource="configmaps"} 1\n' in text
    assert "\nprocess_resident_memory_bytes " in text


async def test_strangers_may_not_read_metrics(engine: RunningEngine) -> None:
    context = engine.ssl(certificate=False)
    async with aiohttp.ClientSession() as session, session.get(f"{engine.url}/metrics", ssl=context) as answer:
        assert answer.status in (401, 403)
