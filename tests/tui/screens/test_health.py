"""What there is to look after: by a table of cases, and on the screen with real certificates."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from apimachinery.objects.errors import Forbidden
from tests.tui.driving import Start, said, screen_text
from tests.tui.memory_cluster import MemoryCluster
from tests.tui.screens.test_operating import press
from tui.kinds.labhealth import DAY, Certificate, Facts, State, findings, score
from tui.kinds.machinestats import reading

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def node(name: str, version: str = "v1.36.0", **others: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "status": {"nodeInfo": {"kubeletVersion": version},
            "conditions": [{"type": "Ready", "status": "True"}]}} | others  # fmt: skip


def summary(*, used: int = 10, celsius: float = 40.0, slowed: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"node": {"fs": {"capacityBytes": 100, "usedBytes": used}, "throttling": {"now": list(slowed)},
                     "temperatures": [{"name": "cpu", "celsius": celsius}]}}  # fmt: skip


def backup(name: str, last: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "shop"}, "status": {"lastSuccessfulTime": last} if last else {}}


def facts(**given: Any) -> Facts:
    sound: dict[str, Any] = {"server_version": "v1.36.0", "cron_jobs": [backup("backup-db", "2025-12-31T20:00:00Z")]}
    return Facts(now=NOW.timestamp(), **(sound | given))


@pytest.mark.parametrize(
    ("given", "state", "words"),
    [
        pytest.param({"certificates": [Certificate(what="c", until=NOW.timestamp() + 3 * DAY)]}, State.BAD,
                     "expires in 3 days", id="certificate-ends"),
        pytest.param({"certificates": [Certificate(what="c", until=NOW.timestamp() + 20 * DAY)]}, State.WARN,
                     "expires in 20 days", id="certificate-ends-soon"),
        pytest.param({"certificates": [Certificate(what="c", until=NOW.timestamp() - 3600)]}, State.BAD,
                     "expired 60 min ago", id="certificate-ended"),
        pytest.param({"nodes": [node("m1"), node("m2", "v1.35.2")]}, State.WARN, "agent v1.35.2", id="old-agent"),
        pytest.param({"nodes": [node("m1", "v1.31.0")]}, State.BAD, "too old", id="too-old-agent"),
        pytest.param({"nodes": [node("m1", "v1.37.0")]}, State.BAD, "newer than the server", id="new-agent"),
        pytest.param({"nodes": [node("m1", spec={"unschedulable": True})]}, State.WARN, "cordoned", id="cordoned"),
        pytest.param({"nodes": [{"metadata": {"name": "m1"}, "status": {"conditions": [
            {"type": "Ready", "status": "Unknown", "message": "no word"}]}}]}, State.BAD, "no word", id="not-ready"),
        pytest.param({"readings": {"m1": reading(summary(used=95), {}, 0, None)}}, State.BAD, "95% full", id="disk"),
        pytest.param({"readings": {"m1": reading(summary(celsius=84), {}, 0, None)}}, State.WARN, "84 °C", id="heat"),
        pytest.param({"readings": {"m1": reading(summary(slowed=("under-voltage",)), {}, 0, None)}}, State.BAD,
                     "slowed down now: under-voltage", id="throttled"),
        pytest.param({"volumes": [("shop/db", 85, 100)]}, State.WARN, "85% full", id="claim"),
        pytest.param({"cron_jobs": []}, State.WARN, "no CronJob", id="no-backup"),
        pytest.param({"cron_jobs": [backup("velero", "")]}, State.BAD, "never succeeded", id="failing-backup"),
        pytest.param({"cron_jobs": [backup("restic", "2025-12-28T00:00:00Z")]}, State.WARN, "4 days ago",
                     id="old-backup"),
        pytest.param({"untold": {"machines": "forbidden"}}, State.UNKNOWN, "forbidden", id="not-allowed"),
    ],
)  # fmt: skip
def test_what_is_not_well_stands_first(given: dict[str, Any], state: State, words: str) -> None:
    first = findings(facts(**given))[0]
    assert first.state is state
    assert words in first.detail


def test_a_sound_cluster_has_nothing_to_do() -> None:
    found = findings(facts(nodes=[node("m1")], readings={"m1": reading(summary(), {}, 0, None)}))
    assert {one.state for one in found} == {State.OK}
    assert score(found) == 100


def certificate(days: int) -> bytes:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop")])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(NOW - timedelta(days=99)).not_valid_after(NOW + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    return made.public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def tls(cluster: MemoryCluster) -> Callable[[str, int], None]:
    def put(name: str, days: int) -> None:
        data = {"tls.crt": base64.b64encode(certificate(days)).decode()}
        cluster.put(
            "secrets", {"metadata": {"name": name, "namespace": "shop"}, "type": "kubernetes.io/tls", "data": data}
        )

    return put


async def test_the_page_shows_chores_first_and_the_score(
    start: Start, cluster: MemoryCluster, tls: Callable[[str, int], None]
) -> None:
    tls("till", 5)
    tls("shop", 90)
    async with start(size=(120, 40)) as pilot:
        await press(pilot, "colon", *"health", "enter")
        lines = screen_text(pilot).splitlines()
        assert "secret shop/till" in lines[3]
        assert "expires in 5 days" in lines[3]
        assert "expires in 90 days" in screen_text(pilot)
        assert "none known" in screen_text(pilot)
        assert "disks and heat" in said(pilot)
        assert "score" in lines[1]
        await press(pilot, "slash", *"disks", "enter", "enter")
        assert "m1, m2, m3: the agent cannot be asked" in said(pilot)
        await press(pilot, "escape", "escape", "ctrl+z")
        assert "90 days" not in screen_text(pilot)
        assert "secret shop/till" in screen_text(pilot)


async def test_what_one_may_not_see_is_said_and_the_rest_stands(start: Start, cluster: MemoryCluster) -> None:
    cluster.refuse["nodes"] = Forbidden("nodes is forbidden")
    cluster.refuse["secrets"] = Forbidden("secrets is forbidden")
    async with start(size=(120, 40)) as pilot:
        await press(pilot, "colon", *"health", "enter")
        text = said(pilot)
        assert "nodes is forbidden" in text
        assert "secrets is forbidden" in text
        assert "backups" in text
