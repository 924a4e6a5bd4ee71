"""Rollouts as values: status in kubectl's words, revisions, what undo would change."""

from typing import Any

import pytest

from tests.tui.demo import deployment, replica_set
from tui.document import plain
from tui.kinds import rollout
from tui.kinds.rolloutview import bars

JSON = dict[str, Any]


def with_status(generation: int = 2, observed: int = 2, **status: Any) -> JSON:
    obj = deployment("web", image="nginx:1.27")
    obj["metadata"]["generation"] = generation
    obj["status"] = {"observedGeneration": observed, **status}
    return obj


@pytest.mark.parametrize(
    ("obj", "text"),
    [
        pytest.param(
            with_status(generation=3), "Waiting for deployment spec update to be observed...", id="unobserved"
        ),
        pytest.param(
            with_status(updatedReplicas=1, replicas=4),
            'Waiting for deployment "web" rollout to finish: 1 out of 3 new replicas have been updated...',
            id="updating",
        ),
        pytest.param(
            with_status(updatedReplicas=3, replicas=5),
            'Waiting for deployment "web" rollout to finish: 2 old replicas are pending termination...',
            id="old-ones-left",
        ),
        pytest.param(
            with_status(updatedReplicas=3, replicas=3, availableReplicas=1),
            'Waiting for deployment "web" rollout to finish: 1 of 3 updated replicas are available...',
            id="not-available",
        ),
        pytest.param(
            with_status(updatedReplicas=3, replicas=3, availableReplicas=3),
            'deployment "web" successfully rolled out',
            id="done",
        ),
        pytest.param(
            with_status(conditions=[{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]),
            'deployment "web" exceeded its progress deadline',
            id="deadline",
        ),
    ],
)
def test_status_reads_as_kubectl_rollout_status(obj: JSON, text: str) -> None:
    assert rollout.rollout_status(obj).text == text


def sets() -> list[JSON]:
    return [
        replica_set("web-5b6f", owner="web", revision="1", image="nginx:1.26", wanted=1, ready=1, created="2026-01-01T00:00:00Z"),
        replica_set("web-7c5d", owner="web", revision="2", image="nginx:1.27", wanted=3, ready=2, created="2026-01-01T00:00:00Z"),
        replica_set("other-1", owner="other", revision="9", image="x", wanted=1, ready=1, created="2026-01-01T00:00:00Z"),
    ]  # fmt: skip


def test_revisions_are_the_deployments_own_newest_first_and_without_the_hash_label() -> None:
    found = rollout.revisions(deployment("web", image="nginx:1.27"), sets())
    assert [(r.number, r.images, r.current) for r in found] == [(2, ("nginx:1.27",), True), (1, ("nginx:1.26",), False)]
    assert "pod-template-hash" not in found[0].template["metadata"]["labels"]


def test_undo_puts_back_the_old_template_and_its_difference_is_the_image() -> None:
    current = deployment("web", image="nginx:1.27")
    old = rollout.revisions(current, sets())[1]
    change = rollout.undo(current, old)
    assert change.patch == [{"op": "replace", "path": "/spec/template", "value": old.template}]
    lines = [plain(line).strip() for line in rollout.template_diff(current["spec"]["template"], old.template)]
    assert [line for line in lines if line[0] in "+-" and "image" in line] == [
        "-     image: nginx:1.27",
        "+     image: nginx:1.26",
    ]


def test_bars_count_ready_starting_and_missing_pods_new_above_old() -> None:
    current = deployment("web", image="nginx:1.27", replicas=4)
    lines = [plain(line) for line in bars(current, rollout.revisions(current, sets()), width=60)]
    assert lines[0].startswith(" new revision 2")
    assert "■ ■ □ ·" in lines[0]
    assert "2/4" in lines[0]
    assert "■  1/1" in lines[1]


def test_bars_shrink_to_the_width() -> None:
    current = deployment("web", image="nginx:1.27", replicas=500)
    assert all(len(plain(line)) < 140 for line in bars(current, rollout.revisions(current, sets()), width=60))
