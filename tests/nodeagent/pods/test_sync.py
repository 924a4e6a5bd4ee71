"""What a pod needs next, for each moment it can be found in."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.cri.types import State
from nodeagent.pods.observed import Facts, Failure, Observed
from nodeagent.pods.operations import (
    Confirm,
    Kill,
    Operation,
    Prepare,
    RemoveContainer,
    RemoveSandbox,
    RunSandbox,
    Start,
    StopSandbox,
    Teardown,
)
from nodeagent.pods.restart import ANNOTATION_BACKOFF
from nodeagent.pods.sync import sync
from tests.nodeagent.pods.objects import NOW, PREPARED, SANDBOX, ended, pod, ran, seen

TWO = [{"name": "a", "image": "i"}, {"name": "b", "image": "i"}]
INIT = [{"name": "i1", "image": "i"}, {"name": "i2", "image": "i"}]
SIDECARS = [{"name": f"s{i}", "image": "i", "restartPolicy": "Always"} for i in (1, 2)]
DEAD = dataclasses.replace(SANDBOX, ready=False)
DELETED = {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 7}
GONE = Facts(prepared=True, removed=True)


@pytest.mark.parametrize(
    ("moment", "operations"),
    [
        pytest.param(seen(sandboxes=(), facts=Facts()), [Prepare()], id="new: folders and volumes first"),
        pytest.param(seen(sandboxes=()), [RunSandbox(0)], id="then a sandbox"),
        pytest.param(seen(), [Start("main", 0)], id="then the container"),
        pytest.param(seen(containers=[ran()]), [], id="settled: nothing"),
        pytest.param(seen(pod(TWO), containers=[ran("a")]), [Start("b", 0)], id="containers start in order"),
        pytest.param(seen(pod(TWO), containers=[ran("b")]), [Start("a", 0)], id="the order is the manifest's"),
        pytest.param(seen(containers=[ended()]), [Start("main", 1, 10.0)], id="the first restart comes at once"),
        pytest.param(
            seen(containers=[ran(state=State.CREATED)]),
            [Start("main", 0, 0.0, "main-0")],
            id="created but never started: made anew under the same number",
        ),
        pytest.param(seen(sandboxes=[DEAD]), [RunSandbox(1)], id="a dead sandbox is followed by the next"),
        pytest.param(
            seen(sandboxes=[dataclasses.replace(SANDBOX, ips=())]),
            [StopSandbox("s0")],
            id="a sandbox without address is no use",
        ),
        pytest.param(
            seen(pod(hostNetwork=True), sandboxes=[dataclasses.replace(SANDBOX, ips=())]),
            [Start("main", 0)],
            id="on the machine's network it needs none",
        ),
        pytest.param(
            seen(sandboxes=[DEAD], containers=[ran()]),
            [Kill("main", "main-0", 30, "Stopping container main")],
            id="containers of a dead sandbox are ended first",
        ),
        pytest.param(
            seen(containers=[ran()], facts=dataclasses.replace(PREPARED, unhealthy={"main-0": "sick"})),
            [Kill("main", "main-0", 30, "sick")],
            id="unhealthy",
        ),
        pytest.param(
            seen(containers=[ran(annotations={"io.kubernetes.container.hash": "old"})]),
            [Kill("main", "main-0", 30, "Container main definition changed, will be restarted")],
            id="another image",
        ),
    ],
)
def test_a_pod_that_should_run(moment: Observed, operations: list[Operation]) -> None:
    assert list(sync(moment).operations) == operations


@pytest.mark.parametrize(
    ("moment", "operations"),
    [
        pytest.param(seen(pod(initContainers=INIT)), [Start("i1", 0)], id="the first"),
        pytest.param(seen(pod(initContainers=INIT), containers=[ran("i1")]), [], id="wait for it"),
        pytest.param(seen(pod(initContainers=INIT), containers=[ended("i1", 0)]), [Start("i2", 0)], id="the second"),
        pytest.param(
            seen(pod(initContainers=INIT), containers=[ended("i1", 1)]), [Start("i1", 1, 10.0)], id="again on failure"
        ),
        pytest.param(
            seen(pod(initContainers=INIT), containers=[ended("i1", 0), ended("i2", 0)]),
            [Start("main", 0)],
            id="then the app",
        ),
        pytest.param(
            seen(pod(initContainers=INIT), containers=[ran()]), [], id="a running app has no need of them any more"
        ),
        pytest.param(
            seen(
                pod(initContainers=INIT),
                sandboxes=[dataclasses.replace(SANDBOX, id="s1", attempt=1), DEAD],
                containers=[ended("i1", 0), ended("i2", 0), ended()],
            ),
            [Start("i1", 1, 10.0)],
            id="all over again in a new sandbox",
        ),
        pytest.param(
            seen(pod(initContainers=SIDECARS), containers=[ran("s1")]), [Start("s2", 0)], id="a sidecar holds nobody up"
        ),
        pytest.param(
            seen(pod(initContainers=SIDECARS), containers=[ran("s1"), ended("s2"), ran()]),
            [Start("s2", 1, 10.0)],
            id="a sidecar is restarted beside the app",
        ),
    ],
)
def test_init_containers(moment: Observed, operations: list[Operation]) -> None:
    assert list(sync(moment).operations) == operations


@pytest.mark.parametrize(
    ("policy", "code", "over"),
    [
        pytest.param("Always", 0, False, id="always"),
        pytest.param("OnFailure", 0, True, id="on failure: ended well"),
        pytest.param("OnFailure", 1, False, id="on failure: failed"),
        pytest.param("Never", 1, True, id="never"),
    ],
)
def test_the_restart_policy_decides_what_is_over(policy: str, code: int, over: bool) -> None:
    assert sync(seen(pod(restartPolicy=policy), containers=[ended(code=code)])).over is over


def test_a_failed_init_container_ends_a_pod_that_restarts_nothing() -> None:
    moment = seen(pod(initContainers=INIT, restartPolicy="Never"), containers=[ended("i1", 1)])
    plan = sync(moment)
    assert plan.over
    assert plan.operations == (StopSandbox("s0"),)


def test_a_pod_that_is_over_gives_back_its_address_and_volumes_but_keeps_its_logs() -> None:
    finished = pod(restartPolicy="Never", initContainers=SIDECARS[:1])
    beside = sync(seen(finished, containers=[ended(code=0), ran("s1")]))
    assert [type(o) for o in beside.operations] == [Kill]
    alone = sync(seen(finished, containers=[ended(code=0), ended("s1", 0)]))
    assert alone.operations == (StopSandbox("s0"),)
    stopped = sync(seen(finished, sandboxes=[DEAD], containers=[ended(code=0), ended("s1", 0)]))
    assert stopped.operations == (Teardown(),)


def test_a_pod_that_has_failed_once_is_never_started_again() -> None:
    assert sync(seen(pod(status={"phase": "Failed"}), sandboxes=(), facts=Facts())).operations == (Teardown(),)


def test_a_container_in_back_off_waits_for_its_moment() -> None:
    failed = ended(annotations={ANNOTATION_BACKOFF: "40"}, finished_at=NOW - 5)
    plan = sync(seen(containers=[failed]))
    assert (plan.operations, plan.wake_at, plan.backing_off) == ((), NOW + 35, ("main",))
    later = sync(seen(containers=[failed], now=NOW + 35))
    assert later.operations == (Start("main", 1, 80.0),)


def test_a_container_waits_after_a_failed_step_and_others_do_not_wait_for_it() -> None:
    failure = Failure(reason="ErrImagePull", message="", at=NOW - 10, retry_at=NOW + 20)
    plan = sync(seen(pod(TWO), facts=dataclasses.replace(PREPARED, failures={"a": failure})))
    assert plan.operations == (Start("b", 0),)
    assert plan.wake_at == NOW + 20


def test_one_container_starts_at_a_time() -> None:
    assert sync(seen(pod(TWO), in_flight={"start": Start("a", 0)})).operations == ()


def test_counting_goes_on_from_the_api_when_containerd_has_forgotten() -> None:
    status = {"containerStatuses": [{"name": "main", "containerID": "containerd://x", "restartCount": 4}]}
    assert sync(seen(pod(status=status))).operations == (Start("main", 5),)


@pytest.mark.parametrize(
    ("moment", "operations"),
    [
        pytest.param(
            seen(pod(TWO, meta=DELETED), containers=[ran("a"), ran("b")]),
            [Kill("a", "a-0", 7, "Stopping container a"), Kill("b", "b-0", 7, "Stopping container b")],
            id="all containers together, with the grace of the deletion",
        ),
        pytest.param(
            seen(pod(meta=DELETED, initContainers=SIDECARS), containers=[ran(), ran("s1"), ran("s2")]),
            [Kill("main", "main-0", 7, "Stopping container main")],
            id="the app before its sidecars",
        ),
        pytest.param(
            seen(pod(meta=DELETED, initContainers=SIDECARS), containers=[ended(), ran("s1"), ran("s2")]),
            [Kill("s2", "s2-0", 7, "Stopping container s2")],
            id="sidecars last to first",
        ),
        pytest.param(seen(pod(meta=DELETED), containers=[ended()]), [StopSandbox("s0")], id="then the sandbox"),
        pytest.param(seen(pod(meta=DELETED), sandboxes=[DEAD]), [Teardown()], id="then volumes and cgroup"),
        pytest.param(
            seen(pod(meta=DELETED), sandboxes=[DEAD], facts=Facts(torn_down=True)), [Confirm()], id="then the API"
        ),
        pytest.param(
            seen(pod(meta=DELETED), sandboxes=[DEAD], facts=Facts(torn_down=True, confirmed=True)),
            [RemoveSandbox("s0")],
            id="then what containerd remembers",
        ),
        pytest.param(
            seen(sandboxes=[DEAD], facts=Facts(torn_down=True, removed=True)),
            [RemoveSandbox("s0")],
            id="a pod gone from the API needs no confirmation",
        ),
        pytest.param(
            seen(pod(meta=DELETED | {"deletionGracePeriodSeconds": 0}), containers=[ran()], facts=GONE),
            [Kill("main", "main-0", 1, "Stopping container main")],
            id="by force there is still a second",
        ),
    ],
)
def test_a_deleted_pod_is_brought_to_its_end_step_by_step(moment: Observed, operations: list[Operation]) -> None:
    assert list(sync(moment).operations) == operations


def test_a_pod_is_gone_when_nothing_is_left() -> None:
    facts = Facts(torn_down=True, confirmed=True)
    assert sync(seen(pod(meta=DELETED), sandboxes=(), facts=facts)).gone
    assert not sync(seen(pod(meta=DELETED), sandboxes=(), facts=facts, in_flight={"x": Teardown()})).gone


def test_a_shorter_grace_replaces_the_kill_that_waits() -> None:
    waiting = {"kill/main-0": Kill("main", "main-0", 30)}
    moment = seen(pod(meta=DELETED), containers=[ran()], in_flight=waiting)
    assert [o.key for o in sync(moment).operations] == ["kill/main-0"]
    same = dataclasses.replace(moment, in_flight={"kill/main-0": Kill("main", "main-0", 7)})
    assert sync(same).operations == ()


def test_two_runs_of_a_container_are_kept_and_older_ones_forgotten() -> None:
    runs = [ended(attempt=0), ended(attempt=1), ended(attempt=2), ran(attempt=3)]
    assert set(sync(seen(containers=runs)).operations) == {RemoveContainer("main-0"), RemoveContainer("main-1")}


def test_a_sandbox_that_holds_no_kept_run_is_removed() -> None:
    new = dataclasses.replace(SANDBOX, id="s1", attempt=1)
    runs = [ran(sandbox_id="s1", attempt=2), ended(sandbox_id="s1", attempt=1)]
    assert sync(seen(sandboxes=[DEAD, new], containers=runs)).operations == (RemoveSandbox("s0"),)


STATES = st.sampled_from(list(State))


@given(
    states=st.lists(
        st.tuples(st.sampled_from(["main", "i1"]), STATES, st.integers(0, 3), st.integers(0, 2)), max_size=5
    ),
    ready=st.booleans(),
    policy=st.sampled_from(["Always", "OnFailure", "Never"]),
    deleted=st.booleans(),
    facts=st.builds(Facts, prepared=st.booleans(), torn_down=st.booleans(), removed=st.booleans()),
)
def test_whatever_is_found_no_operation_is_asked_for_twice_and_nothing_starts_in_a_leaving_pod(
    states: list[tuple[str, State, int, int]], ready: bool, policy: str, deleted: bool, facts: Facts
) -> None:
    of = pod(initContainers=INIT[:1], restartPolicy=policy, meta=DELETED if deleted else {})
    containers = [
        ran(name, state, id=f"{name}-{n}", attempt=attempt, exit_code=code)
        for n, (name, state, attempt, code) in enumerate(states)
    ]
    plan = sync(seen(of, sandboxes=[dataclasses.replace(SANDBOX, ready=ready)], containers=containers, facts=facts))
    keys = [operation.key for operation in plan.operations]
    assert len(keys) == len(set(keys))
    if deleted or facts.removed:
        assert not any(isinstance(o, (Start, RunSandbox, Prepare)) for o in plan.operations)
    again = sync(
        seen(
            of,
            sandboxes=[dataclasses.replace(SANDBOX, ready=ready)],
            containers=containers,
            facts=facts,
            in_flight={o.key: o for o in plan.operations},
        )
    )
    assert not {o.key for o in again.operations} & set(keys)


EPHEMERAL = {"name": "dbg", "image": "i", "targetContainerName": "main"}


def test_an_ephemeral_container_starts_beside_its_target_and_only_once() -> None:
    of = pod(ephemeralContainers=[EPHEMERAL])
    main = ran()
    assert sync(seen(of, containers=[main])).operations == (Start("dbg", 0, target=main.id),)
    assert sync(seen(of, containers=[main, ended("dbg")])).operations == ()


def test_an_ephemeral_container_waits_for_its_target() -> None:
    of = pod(ephemeralContainers=[EPHEMERAL])
    assert [op.container for op in sync(seen(of)).operations if isinstance(op, Start)] == ["main"]


def test_the_end_of_an_ephemeral_container_leaves_the_pod_running() -> None:
    of = pod(ephemeralContainers=[EPHEMERAL], restartPolicy="Never")
    assert not sync(seen(of, containers=[ran(), ended("dbg", 1)])).over
