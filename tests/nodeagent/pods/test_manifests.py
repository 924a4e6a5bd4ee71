"""Static pods as files describe them, and their mirrors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from nodeagent.pods.manifests import (
    CreateMirror,
    DeleteMirror,
    Manifest,
    ManifestRefused,
    align,
    is_mirror,
    is_static,
    mirror,
    owned,
    parse,
)
from nodeagent.pods.view import Pod

FILE = Path("/etc/pilothouse/manifests/web.yaml")
WEB = b"""
apiVersion: v1
kind: Pod
metadata:
  name: web
  annotations: {since: 2026-01-02}
spec:
  containers: [{name: main, image: nginx}]
"""


def read(content: bytes = WEB, node: str = "M1") -> Manifest:
    return parse(content, FILE, node, "2026-01-02T03:04:05Z")


def shown(manifest: Manifest, **metadata: Any) -> Pod:
    """The mirror as the API has it."""
    document = mirror(manifest.document, manifest.pod.uid)
    return msgspec.convert({**document, "metadata": {**document["metadata"], "uid": "api-uid", **metadata}}, Pod)


def test_a_file_becomes_a_pod_of_this_machine() -> None:
    manifest = read()
    meta = manifest.document["metadata"]
    assert (meta["name"], meta["namespace"], manifest.document["spec"]["nodeName"]) == ("web-m1", "default", "M1")
    assert meta["annotations"] == {
        "since": "2026-01-02",
        "kubernetes.io/config.source": "file",
        "kubernetes.io/config.hash": manifest.pod.uid,
        "kubernetes.io/config.seen": "2026-01-02T03:04:05Z",
    }
    assert manifest.document["spec"]["tolerations"] == [{"operator": "Exists", "effect": "NoExecute"}]
    assert "uid" not in meta
    assert is_static(manifest.pod)
    assert not is_mirror(manifest.pod)


def test_the_uid_tells_content_and_machine_apart_and_nothing_else() -> None:
    assert read().pod.uid == read(WEB + b"\n# a remark\n").pod.uid
    others = {read(WEB.replace(b"nginx", b"httpd")).pod.uid, read(node="m2").pod.uid, read().pod.uid}
    assert len(others) == 3


def test_json_is_read_too() -> None:
    text = b'{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "b"}]}}'
    assert read(text).pod.metadata.name == "a-m1"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"a: [", id="no YAML"),
        pytest.param(b"{", id="no JSON"),
        pytest.param(b"- a", id="a list"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"apiVersion: v1\nkind: Service\nmetadata: {name: a}\n", id="another kind"),
        pytest.param(WEB.replace(b"name: web", b"generateName: web-"), id="no name"),
        pytest.param(WEB + b"  hostNetwork: maybe\n", id="a wrong type"),
        pytest.param(WEB + b"  serviceAccountName: robot\n", id="an account"),
        pytest.param(WEB + b"  volumes: [{name: c, configMap: {name: settings}}]\n", id="a ConfigMap"),
        pytest.param(WEB + b"  volumes: [{name: c, persistentVolumeClaim: {claimName: c}}]\n", id="a claim"),
        pytest.param(WEB + b"  imagePullSecrets: [{name: login}]\n", id="a Secret"),
    ],
)
def test_what_can_be_no_static_pod_is_refused(content: bytes) -> None:
    with pytest.raises(ManifestRefused):
        read(content)


def test_a_pod_that_the_api_does_not_show_gets_a_mirror() -> None:
    manifest = read()
    uid = manifest.pod.uid
    (step,) = align({uid: manifest}, [])
    assert isinstance(step, CreateMirror)
    assert step.document["metadata"]["annotations"]["kubernetes.io/config.mirror"] == uid
    (owner,) = owned(step.document, "M1", "n1")["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"], owner["controller"]) == ("Node", "M1", "n1", True)


def test_one_mirror_is_enough() -> None:
    manifest = read()
    ordinary = msgspec.convert({"metadata": {"name": "other", "namespace": "default", "uid": "u2"}}, Pod)
    assert align({manifest.pod.uid: manifest}, [shown(manifest), ordinary]) == []


def test_mirrors_of_nothing_go() -> None:
    assert align({}, [shown(read())]) == [DeleteMirror("web-m1", "default", "api-uid")]


def test_a_changed_pod_gets_another_mirror() -> None:
    old, new = read(), read(WEB.replace(b"nginx", b"httpd"))
    steps = align({new.pod.uid: new}, [shown(old)])
    assert [type(step) for step in steps] == [DeleteMirror, CreateMirror]


def test_deleting_a_mirror_ends_the_mirror_alone() -> None:
    manifest = read()
    ending = shown(manifest, deletionTimestamp="2026-01-02T03:04:05Z")
    steps = align({manifest.pod.uid: manifest}, [ending])
    assert [type(step) for step in steps] == [DeleteMirror, CreateMirror]
