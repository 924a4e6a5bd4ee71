"""Other clusters, several namespaces at once, and people who may not see everything."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from apimachinery.aio.clock import FakeClock
from apimachinery.client.client import Client
from apimachinery.objects.errors import Forbidden
from apimachinery.objects.resources import DEPLOYMENTS, NAMESPACES
from tests.tui.demo import ACCESS, demo_cluster, pod
from tests.tui.driving import Start, said, screen_text, settled
from tests.tui.memory_cluster import MemoryCluster
from tests.tui.screens.test_operating import press
from tui.command import complete_command, namespaces_of, parse_command
from tui.contexts import Contexts
from tui.feeds.forward import ForwardSpec
from tui.kinds.aliases import Aliases
from tui.memory import Memory
from tui.permissions import Permissions, Rule, Rules

RULES = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
ACCESSES = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def kubeconfig(path: Path) -> Path:
    path.write_text(
        yaml.safe_dump(
            {
                "current-context": "lab",
                "clusters": [{"name": n, "cluster": {"server": f"http://{n}:8080"}} for n in ("lab", "prod", "gone")],
                "users": [{"name": "ann", "user": {}}],
                "contexts": [
                    {"name": "lab", "context": {"cluster": "lab", "user": "ann"}},
                    {"name": "prod", "context": {"cluster": "prod", "user": "ann", "namespace": "shop"}},
                    {"name": "gone", "context": {"cluster": "gone", "user": "ann"}},
                    {"name": "broken", "context": {"cluster": "nowhere", "user": "ann"}},
                ],
            }
        )
    )
    return path


@pytest.fixture
def clusters(tmp_path: Path, cluster: MemoryCluster) -> dict[str, Any]:
    prod, gone = demo_cluster(), MemoryCluster(down=True)
    prod.put("pods", pod("checkout-1", namespace="shop"))
    known = {"lab": cluster, "prod": prod, "gone": gone}
    return {
        "contexts": Contexts([kubeconfig(tmp_path / "config")]),
        "connect": lambda access: known[access.context],
    }


async def test_contexts_tell_which_answer_and_enter_switches(start: Start, clusters: dict[str, Any]) -> None:
    async with start(size=(160, 30), **clusters) as pilot:
        await press(pilot, "colon", *"ctx", "enter")
        text = screen_text(pilot)
        assert "● lab" in text
        assert text.count("answers") == 2
        assert "silent" in text
        assert 'cluster "nowhere" does not exist' in text
        await press(pilot, "slash", *"prod", "enter", "enter")
        text = screen_text(pilot)
        assert " prod " in text
        assert "shop ▸ pods" in text
        assert "checkout-1" in text
        await press(pilot, "left_square_bracket")
        assert "checkout-1" in screen_text(pilot), "the history of the other cluster is gone"


async def test_at_a_context_in_a_command_goes_there_with_kind_and_namespace(
    start: Start, clusters: dict[str, Any]
) -> None:
    async with start(size=(110, 30), **clusters) as pilot:
        await press(pilot, "colon", *"deploy default @prod", "enter")
        text = screen_text(pilot)
        assert " prod " in text
        assert "default ▸ deployments" in text
        await press(pilot, "colon", *"ctx lab", "enter")
        assert pilot.app.session.access.context == "lab"


async def test_a_context_that_is_silent_or_broken_keeps_nobody(start: Start, clusters: dict[str, Any]) -> None:
    async with start(size=(110, 30), **clusters) as pilot:
        await press(pilot, "colon", *"@broken", "enter")
        assert 'cluster "nowhere" does not' in said(pilot)
        assert pilot.app.session.access.context == "lab"
        await press(pilot, "colon", *"@gone", "enter")
        assert "Cannot reach the cluster" in screen_text(pilot)
        await press(pilot, "colon", *"@lab", "enter")
        assert "redis-6f9b-h2x5c" in screen_text(pilot)


async def test_port_forwards_go_on_in_the_cluster_that_was_left(start: Start, clusters: dict[str, Any]) -> None:
    async with start(size=(110, 30), **clusters) as pilot:
        pilot.app.forward(
            ForwardSpec(
                context="lab", namespace="default", what="pod/web", port="80", local=0, label_selector="app=web"
            )
        )
        await settled(pilot)
        await press(pilot, "colon", *"@prod", "enter")
        await press(pilot, "f")
        await pilot.pause(0.6)
        assert "ready" in screen_text(pilot)


async def test_several_namespaces_make_one_table(start: Start, cluster: MemoryCluster) -> None:
    cluster.put("pods", pod("till-1", namespace="shop"))
    async with start(size=(110, 30)) as pilot:
        await press(pilot, "colon", *"po shop,kube-system", "enter")
        text = screen_text(pilot)
        assert "NAMESPACE" in text
        assert "till-1" in text
        assert "dns-1" in text
        assert "redis" not in text
        cluster.put("pods", pod("till-2", namespace="shop"))
        cluster.drop("pods", "kube-system/dns-1")
        await settled(pilot)
        text = screen_text(pilot)
        assert "till-2" in text
        assert "dns-1" not in text
        await press(pilot, "colon", *"po *s*", "enter")
        assert "till-2" in screen_text(pilot)


async def test_a_namespace_that_is_refused_leaves_the_others_shown(start: Start, cluster: MemoryCluster) -> None:
    cluster.refuse_paths["/api/v1/namespaces/shop/pods"] = Forbidden("pods is forbidden")
    async with start(size=(110, 30)) as pilot:
        await press(pilot, "colon", *"po shop,kube-system", "enter")
        text = screen_text(pilot)
        assert "dns-1" in text
        assert "● live" in text


async def test_a_pinned_namespace_is_one_digit_away_and_stays_so(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "state" / "tui.json"
    async with start(resource=NAMESPACES, memory=Memory(file)) as pilot:
        await press(pilot, "G", "plus")
        assert "Pinned shop: 1 goes there" in screen_text(pilot)
        await press(pilot, "colon", *"po", "enter", "1")
        assert "shop ▸ pods" in screen_text(pilot)
    async with start(memory=Memory(file)) as pilot:
        await press(pilot, "1")
        assert "shop ▸ pods" in screen_text(pilot)
        await press(pilot, "2")
        assert "No namespace is pinned there" in screen_text(pilot)


async def test_sorting_and_the_wide_view_are_remembered_per_kind(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "tui.json"
    async with start(memory=Memory(file)) as pilot:
        await press(pilot, "shift+right", "shift+right", "shift+right", "shift+right", "O", "ctrl+w")
        first = pilot.app.screen.table.model.row_at(0).name
        assert first == "mailer-5d4c-x8k2v", "sorted by restarts, most first"
    async with start(memory=Memory(file)) as pilot:
        assert pilot.app.screen.table.model.row_at(0).name == first
        assert pilot.app.screen.table.wide
    async with start(memory=Memory(file), resource=DEPLOYMENTS) as pilot:
        assert not pilot.app.screen.table.wide
    file.write_text("not json")
    async with start(memory=Memory(file)) as pilot:
        assert not pilot.app.screen.table.wide


async def test_who_may_not_see_all_is_told_what_it_takes_and_goes_on_in_one_namespace(
    start: Start, cluster: MemoryCluster
) -> None:
    cluster.refuse["namespaces"] = Forbidden('namespaces is forbidden: User "ann" cannot list resource "namespaces"')
    cluster.refuse_paths["/api/v1/pods"] = Forbidden(
        'pods is forbidden: User "ann" cannot list resource "pods" in API group "" at the cluster scope'
    )
    async with start(size=(100, 30)) as pilot:
        assert "redis-6f9b-h2x5c" in screen_text(pilot)
        await press(pilot, "0")
        text = screen_text(pilot)
        assert "You may not see pods in all namespaces" in text
        assert "ann" in text
        assert "list pods" in text
        await press(pilot, "n", *"shop", "enter")
        assert "shop ▸ pods" in screen_text(pilot), "a namespace that cannot be listed is typed"


async def test_an_action_that_is_not_allowed_says_which_right_it_needs(start: Start, cluster: MemoryCluster) -> None:
    cluster.answers[RULES] = lambda review: {
        "status": {"incomplete": False, "resourceRules": [
            {"verbs": ["get", "list", "watch"], "apiGroups": ["", "apps"], "resources": ["*"]}]},
    }  # fmt: skip
    cluster.answers[ACCESSES] = lambda review: {"status": {"allowed": False}}
    async with start(size=(100, 30)) as pilot:
        await press(pilot, "ctrl+d")
        assert "it needs the right to delete pods" in said(pilot)
        await press(pilot, "s")
        assert "it needs the right to create pods/exec" in said(pilot)
        assert {hint.key for hint in pilot.app.screen.hints() if hint.quiet} == {"s", "F", "e", "^d"}
        await press(pilot, "y")
        assert "kind: Pod" in screen_text(pilot)


async def test_the_servers_own_word_outweighs_rules_that_did_not_tell_all(start: Start, cluster: MemoryCluster) -> None:
    cluster.answers[RULES] = lambda review: {"status": {"incomplete": False, "resourceRules": []}}
    cluster.answers[ACCESSES] = lambda review: {"status": {"allowed": True}}
    async with start(size=(100, 30)) as pilot:
        await press(pilot, "ctrl+d")
        assert "Delete this pod?" in screen_text(pilot)


async def test_permissions_are_asked_once_and_unknown_ones_forbid_nothing() -> None:
    cluster = MemoryCluster()
    permissions = Permissions(Client(cluster), clock=FakeClock())
    assert (await permissions.learn("shop")).may("delete", "", "pods")
    cluster.answers[RULES] = lambda review: {"status": {"resourceRules": [
        {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["web"]}]}}  # fmt: skip
    rules = await permissions.learn("shop")
    assert await permissions.learn("shop") is rules
    assert rules.may("get", "", "pods", "web")
    assert not rules.may("get", "", "pods", "other")
    assert not rules.may("get", "apps", "pods")


def test_rules_cover_subresources_only_when_they_say_so() -> None:
    assert not Rules([Rule(("*",), ("",), ("pods",))], incomplete=False).may("create", "", "pods/exec")
    for resources in (("pods/exec",), ("*/exec",), ("*",)):
        assert Rules([Rule(("create",), ("*",), resources)], incomplete=False).may("create", "", "pods/exec")


def test_a_scope_means_names_lists_and_patterns() -> None:
    known = ["default", "team-a", "team-b"]
    assert namespaces_of("default,team-*", known) == ["default", "team-a", "team-b"]
    assert namespaces_of("other", known) == ["other"]
    assert namespaces_of("nope-*", known) == ["nope-*"]


def test_commands_take_contexts_anywhere_and_complete_them() -> None:
    aliases = Aliases()
    command = parse_command("po @prod shop /web", aliases)
    assert (command.context, command.namespace, command.filter) == ("prod", "shop", "web")
    assert parse_command("@prod", aliases).context == "prod"
    assert parse_command("ctx prod", aliases).context == "prod"
    assert complete_command("po @p", aliases, [], lambda: ["prod", "lab"]) == ["po @prod"]
    assert complete_command("ctx l", aliases, [], lambda: ["prod", "lab"]) == ["ctx lab"]
    assert complete_command("po shop,te", aliases, ["team-a"]) == ["po shop,team-a"]


def test_a_missing_kubeconfig_is_a_problem_told_not_raised(tmp_path: Path) -> None:
    contexts = Contexts([tmp_path / "none", kubeconfig(tmp_path / "config")])
    assert contexts.names() == ["broken", "gone", "lab", "prod"]
    assert len(contexts.problems) == 1
    assert ACCESS.context == "lab"
