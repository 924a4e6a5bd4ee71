"""What one may do, what others may, and who can: by the server's word and by roles and bindings."""

from typing import Any

import pytest

from apimachinery.objects.errors import Forbidden
from tests.tui.driving import Start, said, screen_text
from tests.tui.memory_cluster import MemoryCluster
from tests.tui.screens.test_contexts import RULES
from tests.tui.screens.test_operating import press
from tui.kinds.access import Subject, marks, parse_subject, policy


def role(name: str, verbs: list[str], resources: list[str], *, namespace: str = "", group: str = "") -> dict[str, Any]:
    meta = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"metadata": meta, "rules": [{"verbs": verbs, "apiGroups": [group], "resources": resources}]}


def binding(name: str, kind: str, to: str, *subjects: dict[str, str], namespace: str = "") -> dict[str, Any]:
    meta = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"metadata": meta, "roleRef": {"kind": kind, "name": to}, "subjects": list(subjects)}


ANN = {"kind": "User", "name": "ann"}
DEVS = {"kind": "Group", "name": "devs"}
TILL = {"kind": "ServiceAccount", "name": "till", "namespace": "shop"}


@pytest.fixture
def ruled(cluster: MemoryCluster) -> MemoryCluster:
    cluster.put("clusterroles", role("view", ["get", "list"], ["pods"]))
    cluster.put("clusterroles", role("ops", ["*"], ["*"], group="*"))
    cluster.put("roles", role("sweep", ["delete"], ["pods"], namespace="shop"))
    cluster.put("clusterrolebindings", binding("all-view", "ClusterRole", "view", ANN, DEVS))
    cluster.put("clusterrolebindings", binding("ops", "ClusterRole", "ops", {"kind": "Group", "name": "ops"}))
    cluster.put("rolebindings", binding("sweepers", "Role", "sweep", TILL, ANN, namespace="shop"))
    return cluster


async def test_can_shows_what_the_server_lets_us_do(start: Start, cluster: MemoryCluster) -> None:
    cluster.answers[RULES] = lambda review: {"status": {"resourceRules": [
        {"verbs": ["get", "escalate"], "apiGroups": [""], "resources": ["pods"]},
        {"verbs": ["*"], "apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["web"]}]}}  # fmt: skip
    async with start(size=(140, 30)) as pilot:
        await press(pilot, "colon", *"can", "enter")
        lines = screen_text(pilot).splitlines()
        pods = next(line for line in lines if line.strip().startswith("pods"))
        assert pods.count("✓") == 1
        assert "escalate" in pods
        deployments = next(line for line in lines if line.strip().startswith("deployments"))
        assert deployments.count("✓") == 8
        assert "web" in deployments


async def test_a_read_only_session_may_still_ask_what_it_may_do(start: Start, cluster: MemoryCluster) -> None:
    cluster.answers[RULES] = lambda review: {
        "status": {"resourceRules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]}
    }
    async with start(size=(140, 30), readonly=True) as pilot:
        await press(pilot, "colon", *"can", "enter")
        assert "pods" in screen_text(pilot)
        assert "1 rule" in screen_text(pilot)


async def test_can_of_somebody_else_is_read_off_roles_and_bindings(start: Start, ruled: MemoryCluster) -> None:
    async with start(size=(140, 30)) as pilot:
        await press(pilot, "colon", *"can u:ann", "enter")
        text = screen_text(pilot)
        assert "what u:ann may do" in text
        assert len([line for line in text.splitlines() if line.strip().startswith("pods")]) == 2
        await press(pilot, "colon", *"can u:bob", "enter")
        assert "No role is bound to User bob." in screen_text(pilot)
        await press(pilot, "colon", *"can ann", "enter")
        assert "write u:NAME" in screen_text(pilot)


async def test_who_can_names_every_subject_and_the_binding_it_has_it_by(start: Start, ruled: MemoryCluster) -> None:
    async with start(size=(140, 30)) as pilot:
        await press(pilot, "colon", *"who delete pods shop", "enter")
        text = screen_text(pilot)
        for subject in ("ServiceAccount shop/till", "User ann", "Group ops"):
            assert subject in text
        assert "devs" not in text
        await press(pilot, "colon", *"who delete pods default", "enter")
        text = screen_text(pilot)
        assert "Group ops" in text
        assert "ann" not in text


async def test_who_may_not_read_roles_is_told_so(start: Start, ruled: MemoryCluster) -> None:
    ruled.refuse["clusterroles"] = Forbidden("clusterroles is forbidden")
    async with start(size=(140, 30)) as pilot:
        await press(pilot, "colon", *"who delete pods", "enter")
        assert "clusterroles is forbidden" in said(pilot)


def test_accounts_are_in_their_groups_and_are_users_too() -> None:
    account = parse_subject("s:shop/till")
    assert account == parse_subject("sa:shop:till") == Subject(kind="ServiceAccount", name="till", namespace="shop")
    roles = [role("r", ["get"], ["pods"])]
    for subject in (
        TILL,
        {"kind": "Group", "name": "system:serviceaccounts:shop"},
        {"kind": "User", "name": "system:serviceaccount:shop:till"},
        {"kind": "Group", "name": "system:authenticated"},
    ):
        assert account is not None
        assert policy(roles, [binding("b", "ClusterRole", "r", subject)]).of(account), subject
    other = {"kind": "ServiceAccount", "name": "till", "namespace": "elsewhere"}
    assert not policy(roles, [binding("b", "ClusterRole", "r", other)]).of(account)


def test_a_cluster_role_bound_in_a_namespace_holds_there_alone() -> None:
    one = policy([role("r", ["get"], ["pods"])], [binding("b", "ClusterRole", "r", ANN, namespace="shop")])
    assert [grant.subject for grant in one.who_can("get", "", "pods", "shop")] == ["User ann"]
    assert one.who_can("get", "", "pods", "default") == []
    assert one.who_can("get", "", "pods/exec", "shop") == []


def test_marks_stand_under_their_verbs() -> None:
    assert marks(["list", "bind"]) == ("", "✓", "", "", "", "", "", "", "bind")


async def test_roles_bindings_and_accounts_lead_to_their_rules(start: Start, ruled: MemoryCluster) -> None:
    async with start(size=(140, 30)) as pilot:
        for kind, words, rule in (
            ("clusterroles /view", "what view allows", "pods"),
            ("rolebindings shop", "what sweep allows", "pods"),
            ("clusterrolebindings /ops", "what ops allows", "*"),
        ):
            await press(pilot, "colon", *kind, "enter", "enter")
            text = screen_text(pilot)
            assert words in text
            assert rule in text.splitlines()[3]
            assert "✓" in text
        ruled.put("serviceaccounts", {"metadata": {"name": "till", "namespace": "shop"}})
        await press(pilot, "colon", *"sa shop", "enter", "enter")
        assert "what s:shop/till may do" in screen_text(pilot)
        assert "by sweepers" in screen_text(pilot)
