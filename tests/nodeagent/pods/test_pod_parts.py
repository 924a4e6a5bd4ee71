"""The pure parts that pods are built from: restarts, resources, environment, names, images, probes."""

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.cri.types import Dns, Image
from nodeagent.pods import build, hosts, images, resources, restart
from nodeagent.pods.env import Service, environment, expand, service_variables
from nodeagent.pods.handlers import resolve_port
from nodeagent.pods.operations import Start
from nodeagent.pods.probes import Verdict, judge
from nodeagent.pods.view import Container, Probe
from nodeagent.volumes.fields import FieldError, PodFacts
from nodeagent.volumes.objects import Contents, MissingReference
from tests.nodeagent.pods.objects import NOW, ended, pod

FACTS = PodFacts(name="web", namespace="default", uid="u1", resources={"main": {"limits.cpu": "1500m"}})
CLUSTER = type("Cluster", (), {"cluster_domain": "cluster.local", "cluster_dns": "10.43.0.10"})()


def test_back_off_doubles_from_ten_seconds_to_five_minutes() -> None:
    delays = [restart.next_backoff(None)]
    for _ in range(8):
        delays.append(restart.next_backoff(ended(annotations={restart.ANNOTATION_BACKOFF: str(delays[-1])})))
    assert delays == [0, 10, 20, 40, 80, 160, 300, 300, 300]


def test_ten_minutes_of_running_begin_the_count_anew() -> None:
    ran = ended(annotations={restart.ANNOTATION_BACKOFF: "300"}, created_at=NOW - 700, finished_at=NOW)
    assert restart.wait_left(ran, NOW) == 0
    assert restart.next_backoff(ran) == 10


@pytest.mark.parametrize(
    ("requests", "limits", "expected"),
    [
        pytest.param({}, {}, "BestEffort", id="nothing asked"),
        pytest.param({"cpu": "1"}, {}, "Burstable", id="a request"),
        pytest.param({}, {"cpu": "1", "memory": "1Gi"}, "Guaranteed", id="limits alone"),
        pytest.param({"cpu": "1000m", "memory": "1Gi"}, {"cpu": "1", "memory": "1024Mi"}, "Guaranteed", id="equal"),
        pytest.param({"cpu": "500m"}, {"cpu": "1", "memory": "1Gi"}, "Burstable", id="less than the limit"),
        pytest.param({}, {"cpu": "1"}, "Burstable", id="one limit of two"),
    ],
)
def test_quality_of_service(requests: dict[str, str], limits: dict[str, str], expected: str) -> None:
    container = {"name": "main", "image": "i", "resources": {"requests": requests, "limits": limits}}
    assert resources.qos_class(pod([container])) == expected


def test_limits_become_shares_quota_and_bytes() -> None:
    limits = {"requests": {"cpu": "250m", "memory": "1Gi"}, "limits": {"cpu": "500m", "memory": "2Gi"}}
    of = pod([{"name": "main", "image": "i", "resources": limits}])
    found = resources.container_resources(of, of.spec.containers[0], 10 * 2**30)
    assert (found.cpu_shares, found.cpu_quota, found.cpu_period) == (256, 50_000, 100_000)
    assert found.memory_limit == 2 * 2**30
    assert found.oom_score_adj == 900


def test_a_pod_is_limited_as_a_whole_only_when_each_container_is() -> None:
    limited = {"name": "a", "image": "i", "resources": {"limits": {"cpu": "1", "memory": "1Mi"}}}
    assert resources.pod_resources(pod([limited, {"name": "b", "image": "i"}])).memory_limit == 0
    assert resources.pod_resources(pod([limited, {**limited, "name": "b"}])).memory_limit == 2 * 2**20


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        pytest.param("$(A)", "1", id="known"),
        pytest.param("$(NONE)", "$(NONE)", id="unknown stays"),
        pytest.param("$$(A)", "$(A)", id="escaped"),
        pytest.param("$$$(A)", "$1", id="escaped dollar before a reference"),
        pytest.param("x$(A)y$(B)z", "x1y2z", id="several"),
        pytest.param("$(A", "$(A", id="unclosed"),
        pytest.param("$", "$", id="lone dollar"),
        pytest.param("$A", "$A", id="no parentheses"),
    ],
)
def test_expansion(text: str, expanded: str) -> None:
    assert expand(text, ({"A": "1"}, {"B": "2"})) == expanded


@given(st.text(alphabet=st.characters(exclude_characters="$")))
def test_text_without_a_dollar_expands_to_itself(text: str) -> None:
    assert expand(text, ({"A": "1"},)) == text


def env_of(container: dict[str, Any], found: dict[Any, Any] | None = None) -> dict[str, str]:
    view = msgspec.convert({"name": "main", "image": "i", **container}, Container)
    return environment(view, FACTS, Contents(found or {}), {"WEB_SERVICE_HOST": "10.43.0.5"})


def test_later_variables_see_earlier_ones_and_services_come_last() -> None:
    env = env_of({"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)$(WEB_SERVICE_HOST)"}]})
    assert env == {"A": "1", "B": "110.43.0.5", "WEB_SERVICE_HOST": "10.43.0.5"}


def test_env_overrides_what_comes_from_whole_objects() -> None:
    container = {"envFrom": [{"configMapRef": {"name": "cm"}}], "env": [{"name": "A", "value": "own"}]}
    assert env_of(container, {("configmap", "cm"): {"A": b"map", "C": b"3"}})["A"] == "own"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param({"configMapKeyRef": {"name": "cm", "key": "a"}}, 'configmap "cm" not found', id="no object"),
        pytest.param(
            {"secretKeyRef": {"name": "s", "key": "a"}}, "couldn't find key a in Secret default/s", id="no key"
        ),
    ],
)
def test_missing_references_are_named(source: dict[str, Any], message: str) -> None:
    with pytest.raises(MissingReference, match=message):
        env_of({"env": [{"name": "A", "valueFrom": source}]}, {("secret", "s"): {}})


def test_optional_references_may_be_missing() -> None:
    source = {"configMapKeyRef": {"name": "cm", "key": "a", "optional": True}}
    assert "A" not in env_of({"env": [{"name": "A", "valueFrom": source}]})


def test_resources_are_rounded_up_to_their_divisor() -> None:
    env = env_of({"env": [{"name": "CPUS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}]})
    assert env["CPUS"] == "2"
    with pytest.raises(FieldError, match=r"unsupported fieldPath: spec\.x"):
        env_of({"env": [{"name": "X", "valueFrom": {"fieldRef": {"fieldPath": "spec.x"}}}]})


def service(name: str, namespace: str, ip: str, ports: list[dict[str, Any]]) -> Service:
    body = {"metadata": {"name": name, "namespace": namespace}, "spec": {"clusterIP": ip, "ports": ports}}
    return msgspec.convert(body, Service)


def test_services_of_the_namespace_and_the_api_become_variables() -> None:
    services = [
        service("my-web", "default", "10.43.0.5", [{"name": "http", "port": 80}]),
        service("headless", "default", "None", [{"port": 80}]),
        service("other", "elsewhere", "10.43.0.6", [{"port": 80}]),
        service("kubernetes", "default", "10.43.0.1", [{"name": "https", "port": 443}]),
    ]
    variables = service_variables(services, pod())
    assert (
        variables.items()
        >= {
            "MY_WEB_SERVICE_HOST": "10.43.0.5",
            "MY_WEB_SERVICE_PORT": "80",
            "MY_WEB_SERVICE_PORT_HTTP": "80",
            "MY_WEB_PORT": "tcp://10.43.0.5:80",
            "MY_WEB_PORT_80_TCP": "tcp://10.43.0.5:80",
            "MY_WEB_PORT_80_TCP_ADDR": "10.43.0.5",
            "KUBERNETES_SERVICE_HOST": "10.43.0.1",
        }.items()
    )
    assert not any(name.startswith(("OTHER", "HEADLESS")) for name in variables)
    without = service_variables(services, pod(enableServiceLinks=False))
    assert {name.partition("_")[0] for name in without} == {"KUBERNETES"}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param(
            {},
            Dns(
                servers=("10.43.0.10",),
                searches=("default.svc.cluster.local", "svc.cluster.local", "cluster.local", "home"),
                options=("ndots:5",),
            ),
            id="cluster first",
        ),
        pytest.param({"dnsPolicy": "Default"}, Dns(servers=("1.1.1.1",), searches=("home",)), id="the machine's"),
        pytest.param({"hostNetwork": True}, Dns(servers=("1.1.1.1",), searches=("home",)), id="on its network, too"),
        pytest.param(
            {
                "dnsPolicy": "None",
                "dnsConfig": {"nameservers": ["9.9.9.9"], "options": [{"name": "ndots", "value": "2"}]},
            },
            Dns(servers=("9.9.9.9",), options=("ndots:2",)),
            id="its own",
        ),
        pytest.param(
            {"dnsConfig": {"options": [{"name": "ndots", "value": "1"}]}},
            Dns(
                servers=("10.43.0.10",),
                searches=("default.svc.cluster.local", "svc.cluster.local", "cluster.local", "home"),
                options=("ndots:1",),
            ),
            id="options override",
        ),
    ],
)
def test_dns(spec: dict[str, Any], expected: Dns) -> None:
    assert hosts.pod_dns(pod(**spec), CLUSTER, Dns(servers=("1.1.1.1",), searches=("home",))) == expected


def test_hosts_file_names_the_pod_and_its_aliases() -> None:
    named = pod(hostname="db", subdomain="mysql", hostAliases=[{"ip": "10.1.2.3", "hostnames": ["a", "b"]}])
    lines = hosts.hosts_file(named, ["10.42.0.5"], "cluster.local", "").splitlines()
    assert lines[0] == "# Kubernetes-managed hosts file."
    assert "10.42.0.5\tdb.mysql.default.svc.cluster.local\tdb" in lines
    assert lines[-2:] == ["# Entries added by HostAliases.", "10.1.2.3\ta\tb"]


def test_resolv_conf_is_read_with_its_comments_and_last_search() -> None:
    text = "# c\nnameserver 10.0.0.1 # x\nsearch a b\nsearch c .\noptions ndots:2 rotate\n"
    assert hosts.parse_resolv_conf(text) == Dns(servers=("10.0.0.1",), searches=("c",), options=("ndots:2", "rotate"))


@pytest.mark.parametrize(
    ("reference", "tagged", "host"),
    [
        pytest.param("nginx", "nginx:latest", "docker.io", id="short"),
        pytest.param("nginx:1.27", "nginx:1.27", "docker.io", id="tagged"),
        pytest.param("reg.local:5000/a/b", "reg.local:5000/a/b:latest", "reg.local:5000", id="registry with port"),
        pytest.param("a@sha256:00", "a@sha256:00", "docker.io", id="digest"),
        pytest.param("org/app:2", "org/app:2", "docker.io", id="organisation, no registry"),
    ],
)
def test_image_references(reference: str, tagged: str, host: str) -> None:
    assert images.with_tag(reference) == tagged
    assert images.registry_host(reference) == host


def test_logins_are_those_of_the_images_registry() -> None:
    auths = {
        "https://index.docker.io/v1/": {"auth": base64.b64encode(b"me:pass:word").decode()},
        "reg.local:5000": {"username": "u", "password": "p"},
    }
    secret = {".dockerconfigjson": json.dumps({"auths": auths}).encode()}
    (login,) = images.credentials("nginx", [secret])
    assert (login.username, login.password) == ("me", "pass:word")
    assert [c.username for c in images.credentials("reg.local:5000/x", [secret])] == ["u"]
    assert images.credentials("other.io/x", [secret]) == []


def test_pull_policy_defaults_by_tag() -> None:
    assert images.pull_policy(Container(image="nginx")) == "Always"
    assert images.pull_policy(Container(image="nginx:1")) == "IfNotPresent"


def test_a_verdict_changes_after_its_threshold_in_a_row() -> None:
    probe, verdict, verdicts = Probe(success_threshold=2, failure_threshold=3), Verdict(), []
    for outcome in (True, True, False, False, True, False, False, False, True, True):
        verdict = judge(verdict, probe, outcome)
        verdicts.append(verdict.healthy)
    assert verdicts == [None, True, True, True, True, True, True, False, False, True]


@pytest.mark.parametrize(
    ("port", "number"), [(80, 80), ("web", 8080), ("90", 90), ("none", None)], ids=["number", "name", "text", "unknown"]
)
def test_ports_by_number_or_name(port: int | str, number: int | None) -> None:
    container = msgspec.convert({"ports": [{"name": "web", "containerPort": 8080}]}, Container)
    assert resolve_port(port, container) == number


@pytest.mark.parametrize(
    ("context", "image", "refused"),
    [
        pytest.param({"runAsNonRoot": True, "runAsUser": 0}, None, "breaks non-root policy", id="user 0"),
        pytest.param({"runAsNonRoot": True}, Image(id="i", uid=0), "image will run as root", id="image's root"),
        pytest.param({"runAsNonRoot": True}, Image(id="i", user="www"), "has non-numeric user", id="image's name"),
    ],
)
def test_root_is_refused_where_it_is_not_wanted(context: dict[str, Any], image: Image | None, refused: str) -> None:
    of = pod([{"name": "main", "image": "i", "securityContext": context}])
    near = build.Surroundings(env={}, mounts=(), resources=build.Resources(), image=image, log_path="l")
    with pytest.raises(build.ConfigRefused, match=refused):
        build.container_spec(of, of.spec.containers[0], Start("main", 0), near)
