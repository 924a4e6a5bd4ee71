"""Roles of words, ages, names of kinds."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from apimachinery.objects.resources import DEPLOYMENTS, PODS, Resource
from tests.tui.demo import pod
from tui.ages import human_duration, parse_human_duration
from tui.command import complete_command, parse_command
from tui.kinds import containers
from tui.kinds.aliases import Aliases
from tui.kinds.customkinds import objects_of
from tui.kinds.pods import status_word
from tui.kinds.words import ready_tone, status_tone
from tui.tones import Tone

BOATS = Resource("example.com", "v1", "boats", "Boat", True, singular="boat", short_names=("bo",))
METRIC_PODS = Resource("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", True)


@pytest.mark.parametrize(
    ("text", "tone"),
    [
        ("Running", Tone.OK),
        ("Ready,SchedulingDisabled", Tone.WARN),
        ("NotReady,SchedulingDisabled", Tone.BAD),
        ("CrashLoopBackOff", Tone.BAD),
        ("Init:0/2", Tone.WARN),
        ("Init:Error", Tone.BAD),
        ("ExitCode:137", Tone.BAD),
        ("Completed", Tone.MUTED),
        ("Terminating", Tone.WARN),
        ("SomethingNew", Tone.TEXT),
    ],
)
def test_status_words_have_roles(text: str, tone: Tone) -> None:
    assert status_tone(text) is tone


@pytest.mark.parametrize(
    ("text", "tone"), [("3/3", Tone.TEXT), ("1/3", Tone.WARN), ("0/3", Tone.BAD), ("0/0", Tone.MUTED)]
)
def test_ready_counts_have_roles(text: str, tone: Tone) -> None:
    assert ready_tone(text) is tone


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (119, "119s"), (120, "2m"), (200, "3m20s"), (700, "11m"), (3600 * 3, "3h"), (3600 * 5 + 720, "5h12m"),
     (3600 * 30, "30h"), (86_400 * 3 + 7200, "3d2h"), (86_400 * 100, "100d"), (86_400 * 800, "2y70d"), (-5, "<invalid>")],
)  # fmt: skip
def test_durations_read_as_upstreams(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


@given(st.integers(0, 86_400 * 3000))
def test_a_duration_read_back_is_near_what_it_was(seconds: int) -> None:
    back = parse_human_duration(human_duration(seconds))
    assert back is not None
    assert 0 <= seconds - back <= max(60, seconds * 0.13)


def test_names_of_kinds_come_from_discovery_and_the_first_group_wins() -> None:
    aliases = Aliases([PODS, METRIC_PODS, BOATS, DEPLOYMENTS])
    assert aliases.resolve("po") == PODS
    assert aliases.resolve("pods.metrics.k8s.io") == METRIC_PODS
    assert aliases.resolve("BO") == BOATS
    assert aliases.resolve("nothing") is None
    assert aliases.complete("bo") == ["boats", "bo", "boat", "boats.example.com"]


def test_before_discovery_the_usual_kinds_are_known() -> None:
    assert Aliases().resolve("deploy") == DEPLOYMENTS


def test_a_command_is_a_kind_a_namespace_labels_and_a_filter() -> None:
    command = parse_command("po kube-system app=dns /web x", Aliases())
    assert (command.resource, command.namespace, command.label_selector, command.filter) == (
        PODS, "kube-system", "app=dns", "web x",
    )  # fmt: skip
    assert parse_command("po all", Aliases()).namespace == ""
    assert parse_command("po", Aliases()).namespace is None
    assert parse_command("q", Aliases()).word == "quit"
    assert "did you mean" in parse_command("deplyo", Aliases()).error


def test_completion_offers_kinds_then_namespaces() -> None:
    assert complete_command("dep", Aliases(), [])[0] == "deployments"
    assert complete_command("po ku", Aliases(), ["default", "kube-system"]) == ["po kube-system"]


@pytest.mark.parametrize(
    ("obj", "word"),
    [
        pytest.param(pod("a"), "Running", id="running"),
        pytest.param(pod("a", reason="CrashLoopBackOff"), "CrashLoopBackOff", id="waiting"),
        pytest.param(
            {"metadata": {"deletionTimestamp": "x"}, "status": {"phase": "Running"}}, "Terminating", id="deleting"
        ),
        pytest.param({"status": {"phase": "Failed", "reason": "Evicted"}}, "Evicted", id="reason"),
    ],
)
def test_a_pods_word_says_what_is_wrong_with_it(obj: dict[str, object], word: str) -> None:
    assert status_word(obj) == word


def test_containers_are_rows_in_the_order_they_start() -> None:
    obj = pod("web-1", reason="CrashLoopBackOff", restarts=3)
    obj["spec"]["initContainers"] = [{"name": "setup", "image": "busybox"}]
    rows = containers.rows(obj, 0)
    assert [row.name for row in rows] == ["setup", "web"]
    assert rows[1].cells[:5] == ("web", "no", "CrashLoopBackOff", 3, "nginx:1.27")


def test_a_definition_leads_to_its_objects() -> None:
    names = {"plural": "boats", "kind": "Boat", "singular": "boat"}
    versions = [{"name": "v1beta1", "served": True}, {"name": "v1", "served": True, "storage": True}]
    definition = {"spec": {"group": "example.com", "names": names, "scope": "Namespaced", "versions": versions}}
    target = objects_of(definition)
    assert target is not None
    assert target.resource == Resource("example.com", "v1", "boats", "Boat", namespaced=True)
    assert objects_of({"spec": {"names": names, "versions": [{"name": "v1", "served": False}]}}) is None
