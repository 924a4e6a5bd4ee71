"""The status that is reported for each moment, in upstream's words."""

import dataclasses
from typing import Any

import pytest

from nodeagent.cri.types import State
from nodeagent.pods.observed import Facts, Failure, Observed
from nodeagent.pods.reporter import status_patch
from nodeagent.pods.restart import ANNOTATION_BACKOFF
from nodeagent.pods.status import pod_status
from nodeagent.pods.sync import sync
from tests.nodeagent.pods.objects import NOW, PREPARED, SANDBOX, ended, pod, ran, seen

PROBED = {"name": "main", "image": "i", "readinessProbe": {"tcpSocket": {"port": 80}}}
STARTING = {"name": "main", "image": "i", "startupProbe": {"tcpSocket": {"port": 80}}}
INIT = [{"name": "i1", "image": "i"}]
PULL = Failure(reason="ErrImagePull", message="no such host", at=NOW - 1, retry_at=NOW + 9)


def report(moment: Observed, messages: dict[str, str] | None = None) -> dict[str, Any]:
    return pod_status(moment, sync(moment), host_ips=["192.0.2.7"], messages=messages or {}, started_at=NOW - 100)


def conditions(status: dict[str, Any]) -> dict[str, str]:
    return {c["type"]: c["status"] for c in status["conditions"]}


@pytest.mark.parametrize(
    ("moment", "phase", "state"),
    [
        pytest.param(
            seen(sandboxes=(), facts=Facts()), "Pending", {"waiting": {"reason": "ContainerCreating"}}, id="new"
        ),
        pytest.param(
            seen(pod(initContainers=INIT)), "Pending", {"waiting": {"reason": "PodInitializing"}}, id="initialising"
        ),
        pytest.param(
            seen(containers=[ran()]), "Running", {"running": {"startedAt": "1970-01-01T02:45:10Z"}}, id="running"
        ),
        pytest.param(
            seen(containers=[ended(annotations={ANNOTATION_BACKOFF: "80"})]),
            "Running",
            {
                "waiting": {
                    "reason": "CrashLoopBackOff",
                    "message": "back-off 1m20s restarting failed container=main pod=web_default(u1)",
                }
            },
            id="backing off",
        ),
        pytest.param(
            seen(facts=dataclasses.replace(PREPARED, failures={"main": PULL})),
            "Pending",
            {"waiting": {"reason": "ErrImagePull", "message": "no such host"}},
            id="pull just failed",
        ),
        pytest.param(
            seen(facts=dataclasses.replace(PREPARED, failures={"main": PULL}), now=NOW + 5),
            "Pending",
            {
                "waiting": {
                    "reason": "ImagePullBackOff",
                    "message": 'Back-off pulling image "i": ErrImagePull: no such host',
                }
            },
            id="pull backs off",
        ),
    ],
)
def test_state_and_phase(moment: Observed, phase: str, state: dict[str, Any]) -> None:
    status = report(moment)
    assert status["phase"] == phase
    assert status["containerStatuses"][0]["state"] == state


@pytest.mark.parametrize(
    ("policy", "code", "phase"),
    [
        pytest.param("Never", 0, "Succeeded", id="never, ended well"),
        pytest.param("Never", 1, "Failed", id="never, failed"),
        pytest.param("OnFailure", 0, "Succeeded", id="on failure, ended well"),
        pytest.param("OnFailure", 1, "Running", id="on failure, failed: about to run again"),
        pytest.param("Always", 0, "Running", id="always"),
    ],
)
def test_the_phase_of_a_pod_whose_container_has_ended(policy: str, code: int, phase: str) -> None:
    assert report(seen(pod(restartPolicy=policy), containers=[ended(code=code)]))["phase"] == phase


def test_a_running_container_shows_how_the_last_one_ended() -> None:
    runs = [ended(code=137, reason="OOMKilled", attempt=1), ran(attempt=2)]
    status = report(seen(containers=runs), {"main-1": "too much"})["containerStatuses"][0]
    assert status["restartCount"] == 2
    assert (
        status["lastState"]["terminated"].items()
        >= {
            "exitCode": 137,
            "reason": "OOMKilled",
            "message": "too much",
        }.items()
    )


def test_a_running_pod_without_probes_is_ready() -> None:
    status = report(seen(containers=[ran()]))
    assert set(conditions(status).values()) == {"True"}
    assert (status["podIP"], status["hostIP"]) == ("10.42.0.5", "192.0.2.7")
    assert status["containerStatuses"][0]["started"] is True


@pytest.mark.parametrize(
    ("container", "facts", "ready", "started"),
    [
        pytest.param(PROBED, PREPARED, False, True, id="readiness unknown"),
        pytest.param(
            PROBED, dataclasses.replace(PREPARED, ready=frozenset({"main-0"})), True, True, id="probe succeeds"
        ),
        pytest.param(STARTING, PREPARED, False, False, id="startup unknown"),
        pytest.param(
            STARTING, dataclasses.replace(PREPARED, started=frozenset({"main-0"})), True, True, id="startup passed"
        ),
        pytest.param(
            {"name": "main", "image": "i"},
            dataclasses.replace(PREPARED, hooking=frozenset({"main-0"})),
            False,
            False,
            id="postStart hook runs",
        ),
    ],
)
def test_readiness(container: dict[str, Any], facts: Facts, ready: bool, started: bool) -> None:
    status = report(seen(pod([container]), containers=[ran()], facts=facts))
    found = status["containerStatuses"][0]
    assert (found["ready"], found["started"]) == (ready, started)
    assert conditions(status)["Ready"] == ("True" if ready else "False")


def test_unready_containers_are_named() -> None:
    status = report(seen(pod([PROBED]), containers=[ran()]))
    condition = next(c for c in status["conditions"] if c["type"] == "ContainersReady")
    assert condition["reason"] == "ContainersNotReady"
    assert condition["message"] == "containers with unready status: [main]"


def test_init_containers_that_have_not_ended_are_named() -> None:
    status = report(seen(pod(initContainers=INIT), containers=[ran("i1")]))
    condition = next(c for c in status["conditions"] if c["type"] == "Initialized")
    assert (condition["status"], condition["reason"]) == ("False", "ContainersNotInitialized")
    assert condition["message"] == "containers with incomplete status: [i1]"


def test_readiness_gates_hold_a_pod_back_until_someone_sets_their_condition() -> None:
    gates = [{"conditionType": "example.com/lb"}]
    closed = report(seen(pod(readinessGates=gates), containers=[ran()]))
    condition = next(c for c in closed["conditions"] if c["type"] == "Ready")
    assert condition["reason"] == "ReadinessGatesNotReady"
    assert condition["message"] == 'corresponding condition of pod readiness gate "example.com/lb" does not exist.'
    given = {"conditions": [{"type": "example.com/lb", "status": "True"}]}
    assert conditions(report(seen(pod(readinessGates=gates, status=given), containers=[ran()])))["Ready"] == "True"


def test_a_condition_that_stays_keeps_its_time() -> None:
    before = {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2020-01-01T00:00:00Z"}]}
    status = report(seen(pod(status=before), containers=[ran()]))
    times = {c["type"]: c["lastTransitionTime"] for c in status["conditions"]}
    assert times["Ready"] == "2020-01-01T00:00:00Z"
    assert times["Initialized"] == "1970-01-01T02:46:40Z"


def test_a_deleted_pod_ends_as_failed_or_succeeded() -> None:
    deleted = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    facts = dataclasses.replace(PREPARED, torn_down=True)
    assert report(seen(pod(meta=deleted), containers=[ended(code=143)], facts=facts))["phase"] == "Failed"
    assert report(seen(pod(meta=deleted), containers=[ended(code=0)], facts=facts))["phase"] == "Succeeded"
    assert report(seen(pod(meta=deleted), containers=[ended(code=143)]))["phase"] == "Running"


def test_pods_on_the_machines_network_have_its_address() -> None:
    bare = dataclasses.replace(SANDBOX, ips=())
    assert report(seen(pod(hostNetwork=True), sandboxes=[bare], containers=[ran()]))["podIP"] == "192.0.2.7"


def test_a_container_created_but_not_started_is_waiting() -> None:
    status = report(seen(containers=[ran(state=State.CREATED)]))["containerStatuses"][0]
    assert status["state"] == {"waiting": {"reason": "ContainerCreating"}}


def test_a_patch_holds_what_changed_and_takes_out_what_is_gone() -> None:
    before = {"phase": "Pending", "reason": "x", "qosClass": "BestEffort"}
    after = {"phase": "Running", "qosClass": "BestEffort", "podIPs": [{"ip": "10.0.0.1"}]}
    assert status_patch(before, after) == {
        "phase": "Running",
        "reason": None,
        "podIPs": [{"$patch": "replace"}, {"ip": "10.0.0.1"}],
    }


def test_a_condition_loses_the_reason_that_no_longer_applies() -> None:
    patch = status_patch(None, {"conditions": [{"type": "Ready", "status": "True"}]})
    assert patch["conditions"] == [{"type": "Ready", "status": "True", "reason": None, "message": None}]
