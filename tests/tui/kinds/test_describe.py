"""Descriptions: every kind's is readable and names what matters."""

import pytest

from apimachinery.objects.resources import Resource
from tests.tui.demo import demo_cluster, event
from tests.tui.memory_cluster import KINDS
from tui.document import plain
from tui.kinds.catalog import lens_for
from tui.kinds.lens import Facts
from tui.yamltext import comparable, diff_lines, to_yaml, yaml_lines

NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z
CLUSTER = demo_cluster()


def described(plural: str, key: str, *, reveal: bool = False, events: tuple[dict[str, object], ...] = ()) -> str:
    kind = next(kind for kind in KINDS if kind.plural == plural)
    lens = lens_for(Resource(kind.group, "v1", plural, kind.kind, kind.namespaced))
    lines = lens.describe(CLUSTER.get(plural, key), Facts(now=NOW, events=events, reveal=reveal)).lines
    return "\n".join(plain(line) for line in lines)


@pytest.mark.parametrize(
    ("plural", "key", "says"),
    [
        ("pods", "default/mailer-5d4c-x8k2v", ["CrashLoopBackOff", "restarted 17 times", "ReplicaSet/mailer-7c5d", "configMap web-page"]),
        ("deployments", "default/web", ["successfully rolled out", "3 wanted", "at most 25% more", "nginx:1.27"]),
        ("replicasets", "default/web-7c5d", ["3 wanted, 3 there, 3 ready"]),
        ("services", "default/web", ["10.43.7.20", "80/TCP", "app=web"]),
        ("nodes", "m3", ["Scheduling", "on"]),
        ("namespaces", "shop", ["Namespace shop"]),
        ("configmaps", "default/web-page", ["index.html", "<h1>ahoy</h1>"]),
        ("events", "default/e1", ["BackOff"]),
        ("boats", "default/pilot-1", ["Boat pilot-1", "Falmouth"]),
    ],
)  # fmt: skip
def test_description_names_what_matters(plural: str, key: str, says: list[str]) -> None:
    text = described(plural, key)
    assert [word for word in says if word not in text] == []


def test_the_latest_warning_stands_near_the_top() -> None:
    warning = event("e", about="x", reason="BackOff", message="Back-off\nrestarting", warning=True, count=3)
    text = described("pods", "default/mailer-5d4c-x8k2v", events=(warning,))
    assert "BackOff, 2m ago: Back-off restarting" in text
    assert text.index("2m ago") < text.index("Containers")
    assert "BackOff x3" in text


def test_a_secrets_values_are_hidden_until_asked_for() -> None:
    assert "hunter2" not in described("secrets", "default/mail-login")
    assert "7 bytes" in described("secrets", "default/mail-login")
    assert "hunter2" in described("secrets", "default/mail-login", reveal=True)


def test_yaml_hides_managed_fields_and_keeps_blocks_readable() -> None:
    obj = {"metadata": {"name": "x", "managedFields": [{"manager": "me"}]}, "data": {"page": "one\ntwo\n"}}
    assert "managedFields" not in to_yaml(obj)
    assert "managedFields" in to_yaml(obj, managed_fields=True)
    assert [plain(line) for line in yaml_lines(to_yaml(obj))][-3:] == ["  page: |", "    one", "    two"]


def test_a_difference_leaves_out_what_the_server_keeps_for_itself() -> None:
    before = {"metadata": {"name": "x", "resourceVersion": "1"}, "spec": {"replicas": 3}, "status": {"replicas": 3}}
    after = {"metadata": {"name": "x", "resourceVersion": "2"}, "spec": {"replicas": 5}, "status": {"replicas": 4}}
    changed = [plain(line) for line in diff_lines(comparable(before), comparable(after)) if plain(line)[0] in "+-"]
    assert changed == ["-   replicas: 3", "+   replicas: 5"]
