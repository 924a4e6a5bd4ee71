"""The why panel by keys: from a table, from a description, with keys that act on what it is about."""

from tests.tui.demo import event, pod
from tests.tui.driving import Start, screen_text, settled
from tests.tui.memory_cluster import MemoryCluster

LOG = ["2025-12-31T23:59:00Z starting", "2025-12-31T23:59:01Z KeyError: 'MAIL_HOST'"]


def crashing(cluster: MemoryCluster) -> None:
    obj = pod("mailer-5d4c-x8k2v", app="mailer", reason="CrashLoopBackOff", restarts=17, node="m3")
    obj["status"]["containerStatuses"][0]["lastState"] = {"terminated": {"exitCode": 1, "reason": "Error"}}
    cluster.put("pods", obj)
    cluster.logs["default", "mailer-5d4c-x8k2v", "mailer"] = LOG


async def test_w_on_a_crashing_pod_reads_its_last_words(start: Start, cluster: MemoryCluster) -> None:
    crashing(cluster)
    async with start() as pilot:
        await pilot.press("j", "w")
        await settled(pilot)
        text = screen_text(pilot)
        assert "mailer misses a setting: MAIL_HOST." in text
        assert "KeyError: 'MAIL_HOST'" in text
        assert "mailer ends with an error of its own (exit code 1)." in text
        assert any(query.get("previous") == "true" for _, path, query in cluster.requests if path.endswith("/log"))


async def test_a_workload_tells_what_its_pods_suffer_from(start: Start, cluster: MemoryCluster) -> None:
    for name in ("web-7c5d-4xk2p", "web-7c5d-9wq7t"):
        cluster.put("pods", pod(name, reason="ErrImagePull"))
        cluster.put("events", event(f"e-{name}", about=name, reason="Failed", warning=True,
                                    message='Failed to pull image "nginx:1.99": manifest unknown'))  # fmt: skip
    async with start(size=(120, 40)) as pilot:
        await pilot.press("colon", *"deploy", "enter")
        await settled(pilot)
        await pilot.press("G", "w")
        await settled(pilot)
        assert "2 pods (web-7c5d-4xk2p, …): The registry has no image of this name and tag." in screen_text(pilot)
        await pilot.press("i")
        await settled(pilot)
        assert "Set image of web" in screen_text(pilot)


async def test_describe_begins_with_the_verdict_and_leads_to_the_evidence(start: Start, cluster: MemoryCluster) -> None:
    crashing(cluster)
    async with start() as pilot:
        await pilot.press("j", "d")
        await settled(pilot)
        assert "Why?  mailer ends with an error of its own" in screen_text(pilot)
        await pilot.press("w")
        await settled(pilot)
        assert "mailer misses a setting" in screen_text(pilot)
        await pilot.press("escape", "escape")
        await settled(pilot)
        assert "7 pods" in screen_text(pilot)


async def test_what_is_well_is_said_to_be(start: Start) -> None:
    async with start() as pilot:
        await pilot.press("G", "w")
        await settled(pilot)
        assert "Nothing is known to be wrong." in screen_text(pilot)


async def test_an_object_that_went_meanwhile_is_said_to_be_gone(start: Start, cluster: MemoryCluster) -> None:
    async with start() as pilot:
        await pilot.press("j", "w")
        await settled(pilot)
        cluster.drop("pods", "default/mailer-5d4c-x8k2v")
        await pilot.press("ctrl+r")
        await settled(pilot)
        assert "mailer-5d4c-x8k2v is gone." in screen_text(pilot)
