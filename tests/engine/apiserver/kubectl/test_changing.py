"""kubectl patch, edit, set, scale, label, annotate, rollout, taint, cordon, drain, delete, wait, certificate."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.engine.apiserver.kubectl.conftest import Kubectl
from tests.engine.apiserver.kubectl.manifests import DEPLOYMENT, NODE, POD

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def deployed(kubectl: Kubectl) -> None:
    await kubectl("create", "-f", "-", stdin=DEPLOYMENT)


async def shown(kubectl: Kubectl, path: str, resource: str = "deployment/web") -> str:
    return await kubectl("get", resource, "-o", f"jsonpath={path}")


@pytest.mark.parametrize(
    ("arguments", "said", "path", "value"),
    [
        pytest.param(
            ("patch", "-p", '{"spec":{"template":{"spec":{"containers":[{"name":"nginx","env":[{"name":"A"}]}]}}}}'),
            "deployment.apps/web patched",
            "{.spec.template.spec.containers[0].image}",
            "nginx:1.27",
            id="patch-strategic",
        ),
        pytest.param(
            ("patch", "--type=merge", "-p", '{"spec":{"replicas":4}}'),
            "deployment.apps/web patched",
            "{.spec.replicas}",
            "4",
            id="patch-merge",
        ),
        pytest.param(
            ("patch", "--type=json", "-p", '[{"op":"replace","path":"/spec/replicas","value":5}]'),
            "deployment.apps/web patched",
            "{.spec.replicas}",
            "5",
            id="patch-json",
        ),
        pytest.param(
            ("patch", "--subresource=scale", "--type=merge", "-p", '{"spec":{"replicas":6}}'),
            "scale.autoscaling/web patched",
            "{.spec.replicas}",
            "6",
            id="patch-subresource",
        ),
        pytest.param(("scale", "--replicas=7"), "deployment.apps/web scaled", "{.spec.replicas}", "7", id="scale"),
        pytest.param(
            ("set image", "nginx=nginx:1.28"),
            "deployment.apps/web image updated",
            "{.spec.template.spec.containers[0].image}",
            "nginx:1.28",
            id="set-image",
        ),
        pytest.param(
            ("set env", "A=1"),
            "deployment.apps/web env updated",
            "{.spec.template.spec.containers[0].env[0].value}",
            "1",
            id="set-env",
        ),
        pytest.param(
            ("set resources", "--limits=cpu=200m"),
            "deployment.apps/web resource requirements updated",
            "{.spec.template.spec.containers[0].resources.limits.cpu}",
            "200m",
            id="set-resources",
        ),
        pytest.param(
            ("set serviceaccount", "robot"),
            "deployment.apps/web serviceaccount updated",
            "{.spec.template.spec.serviceAccountName}",
            "robot",
            id="set-serviceaccount",
        ),
        pytest.param(
            ("label", "tier=front"), "deployment.apps/web labeled", "{.metadata.labels.tier}", "front", id="label"
        ),
        pytest.param(
            ("annotate", "note=hello"),
            "deployment.apps/web annotated",
            "{.metadata.annotations.note}",
            "hello",
            id="annotate",
        ),
        pytest.param(("rollout pause",), "deployment.apps/web paused", "{.spec.paused}", "true", id="rollout-pause"),
        pytest.param(
            ("rollout restart",),
            "deployment.apps/web restarted",
            "{.kind}",
            "Deployment",
            id="rollout-restart",
        ),
    ],
)
async def test_a_change_is_said_and_kept(
    kubectl: Kubectl, arguments: tuple[str, ...], said: str, path: str, value: str
) -> None:
    await deployed(kubectl)
    verb, *rest = arguments
    assert await kubectl(*verb.split(), "deployment/web", *rest) == said + "\n"
    assert await shown(kubectl, path) == value


async def test_dry_runs_change_nothing(kubectl: Kubectl) -> None:
    await deployed(kubectl)
    said = await asyncio.gather(
        kubectl("scale", "deployment/web", "--replicas=9", "--dry-run=server"),
        kubectl("label", "deployment/web", "a=b", "--dry-run=server"),
        kubectl("set", "image", "deployment/web", "nginx=x", "--dry-run=server"),
        kubectl("delete", "deployment/web", "--dry-run=server"),
    )
    assert [line.rstrip().rpartition(" (")[2] for line in said[:3]] == ["server dry run)"] * 3
    assert said[3].startswith('deployment.apps "web" deleted')
    assert (
        await shown(kubectl, "{.spec.replicas}{.metadata.labels}{.spec.template.spec.containers[0].image}")
        == "2nginx:1.27"
    )


async def test_labels_and_annotations_need_leave_to_overwrite(kubectl: Kubectl) -> None:
    await deployed(kubectl)
    await kubectl("label", "deployment/web", "a=1")
    assert "'a' already has a value (1), and --overwrite is false" in await kubectl.fails(
        "label", "deployment/web", "a=2"
    )
    assert await kubectl("label", "deployment/web", "a=2", "--overwrite") == "deployment.apps/web labeled\n"
    assert await kubectl("label", "deployment/web", "a-") == "deployment.apps/web unlabeled\n"
    assert await kubectl("annotate", "deployment", "--all", "n=1") == "deployment.apps/web annotated\n"


async def test_edit_sends_what_the_editor_left(kubectl: Kubectl, tmp_path: Path) -> None:
    await deployed(kubectl)
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/replicas: 2/replicas: 3/' \"$1\"\n")
    editor.chmod(0o700)
    assert await kubectl("edit", "deployment/web", editor=str(editor)) == "deployment.apps/web edited\n"
    assert await shown(kubectl, "{.spec.replicas}") == "3"
    assert await kubectl("edit", "deployment/web", editor="true") == ""


async def test_rollouts_are_told_paused_and_resumed(kubectl: Kubectl) -> None:
    await deployed(kubectl)
    assert await kubectl("rollout", "status", "deployment/web", "--watch=false") == (
        "Waiting for deployment spec update to be observed...\n"
    )
    assert await kubectl("rollout", "pause", "deployment/web") == "deployment.apps/web paused\n"
    assert 'error: deployments.apps "web" can\'t restart paused deployment' in await kubectl.fails(
        "rollout", "restart", "deployment/web"
    )
    assert await kubectl("rollout", "resume", "deployment/web") == "deployment.apps/web resumed\n"
    assert "no rollout history found" in await kubectl.fails("rollout", "undo", "deployment/web")
    assert "No rollout history found." in await kubectl("rollout", "history", "deployment/web")


async def test_machines_are_tainted_cordoned_and_drained(kubectl: Kubectl) -> None:
    node = f"node-{kubectl.namespace}"
    await kubectl("create", "-f", "-", stdin=NODE.replace("NAME", node))
    assert await kubectl("taint", "node", node, "k=v:NoSchedule") == f"node/{node} tainted\n"
    assert await kubectl("taint", "node", node, "k-") == f"node/{node} untainted\n"
    assert await kubectl("cordon", node) == f"node/{node} cordoned\n"
    pod = POD.replace("spec: {", f"spec: {{nodeName: {node}, ")
    await kubectl("create", "-f", "-", stdin=pod)
    assert "cannot delete Pods that declare no controller" in (
        await kubectl.fails("drain", node, "--timeout=5s", "--disable-eviction")
    )
    said = await kubectl("drain", node, "--force", "--grace-period=0", "--disable-eviction", "--timeout=20s")
    assert said.endswith(f"node/{node} drained\n")
    assert await kubectl("uncordon", node) == f"node/{node} uncordoned\n"


async def test_deleting_one_some_and_all(kubectl: Kubectl) -> None:
    for name, tier in (("a", "x"), ("b", "z"), ("c", "x")):
        made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"t": tier}}}
        await kubectl("create", "-f", "-", stdin=json.dumps(made))
    gone = await kubectl("delete", "cm", "-l", "t=x")
    assert [line.split(" deleted")[0] for line in gone.splitlines()] == ['configmap "a"', 'configmap "c"']
    assert await kubectl("delete", "cm", "b", "--cascade=orphan", "--wait=false", "-o", "name") == "configmap/b\n"
    assert await kubectl.fails("delete", "cm", "nope") == 'Error from server (NotFound): configmaps "nope" not found\n'
    assert await kubectl("delete", "cm", "nope", "--ignore-not-found") == ""
    await kubectl("create", "-f", "-", stdin=POD)
    assert 'pod "web" force deleted' in await kubectl("delete", "pods", "--all", "--force", "--grace-period=0")


async def test_waiting_for_a_condition_a_value_and_the_end(kubectl: Kubectl) -> None:
    await kubectl("create", "-f", "-", stdin=POD)
    waiting = asyncio.gather(
        kubectl("wait", "pod/web", "--for=condition=Ready", "--timeout=20s"),
        kubectl("wait", "pod/web", "--for=jsonpath={.status.phase}=Running", "--timeout=20s"),
    )
    status = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    await kubectl("patch", "pod", "web", "--subresource=status", "--type=merge", "-p", json.dumps(status))
    assert await waiting == ["pod/web condition met\n"] * 2
    gone = asyncio.ensure_future(kubectl("wait", "pod/web", "--for=delete", "--timeout=20s"))
    await kubectl("delete", "pod", "web", "--grace-period=0", "--force")
    # Whoever comes too late finds nothing to wait for.
    assert await gone in {"pod/web condition met\n", ""}
    assert "timed out waiting for the condition" in (
        await kubectl.fails("wait", "ns", kubectl.namespace, "--for=condition=Nope", "--timeout=1s")
    )


def signing_request(name: str) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "jane")])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    encoded = base64.b64encode(request.public_bytes(serialization.Encoding.PEM)).decode()
    spec = {"request": encoded, "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"]}
    kind = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest"}
    return json.dumps({**kind, "metadata": {"name": name}, "spec": spec})


@pytest.mark.parametrize(
    ("verb", "said", "condition"), [("approve", "approved", "Approved"), ("deny", "denied", "Denied")]
)
async def test_certificates_are_approved_and_denied(kubectl: Kubectl, verb: str, said: str, condition: str) -> None:
    name = f"jane-{kubectl.namespace}"
    await kubectl("create", "-f", "-", stdin=signing_request(name))
    assert await kubectl("certificate", verb, name) == f"certificatesigningrequest.certificates.k8s.io/{name} {said}\n"
    assert await shown(kubectl, "{.status.conditions[0].type}", f"csr/{name}") == condition


async def test_apply_server_side_conflicts_until_forced(kubectl: Kubectl) -> None:
    await kubectl("apply", "--server-side", "-f", "-", stdin=DEPLOYMENT)
    other = DEPLOYMENT.replace("replicas: 2", "replicas: 3")
    said = await kubectl.fails("apply", "--server-side", "--field-manager=other", "-f", "-", stdin=other)
    assert 'Apply failed with 1 conflict: conflict with "kubectl": .spec.replicas' in said
    said = await kubectl("apply", "--server-side", "--field-manager=other", "--force-conflicts", "-f", "-", stdin=other)
    assert said == "deployment.apps/web serverside-applied\n"


async def test_a_wrong_field_is_named_refused_told_or_dropped(kubectl: Kubectl) -> None:
    wrong = POD.replace('nginx:1.27"', 'nginx:1.27", imagine: x')
    assert 'strict decoding error: unknown field "spec.containers[0].imagine"' in (
        await kubectl.fails("apply", "-f", "-", stdin=wrong)
    )
    ran = await kubectl.ran("apply", "--validate=warn", "-f", "-", stdin=wrong)
    assert (ran.out, ran.err) == ("pod/web created\n", 'Warning: unknown field "spec.containers[0].imagine"\n')
    assert (await kubectl.ran("apply", "--validate=false", "-f", "-", stdin=wrong)).err == ""
