"""Webhooks in pods behind a Service, and admission of conversations (CONNECT)."""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from apimachinery.objects.errors import StatusError
from apimachinery.objects.resources import CONFIGMAPS, SERVICES
from engine.pki import Pki
from tests.engine.apiserver.dynamic.test_admission import (
    BINDINGS,
    MUTATING,
    POLICIES,
    RULE,
    VALIDATING,
    Hooks,
    binding,
    config_map,
    configuration,
    patched,
    policy,
)
from tests.engine.apiserver.reach.machine import Machine, listening, machine, make_pod, make_service
from tests.engine.conftest import RunningEngine

Json = dict[str, Any]
CONNECT = {
    "operations": ["CONNECT"],
    "apiGroups": [""],
    "apiVersions": ["v1"],
    "resources": ["pods/*", "services/proxy"],
}


@pytest.fixture
async def m1(engine: RunningEngine) -> AsyncIterator[Machine]:
    async with machine(engine) as served:
        await make_pod(engine, "web", "10.42.0.5")
        yield served


@pytest.fixture
async def hooks(engine: RunningEngine, m1: Machine, tmp_path: Path) -> AsyncIterator[Hooks]:
    """Webhooks in pod 10.42.0.9, behind Service `hook`, with a certificate for hook.default.svc."""
    served = Hooks()
    pki = Pki.ensure(tmp_path / "hooks", names=("hook.default.svc",))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(pki.folder / "server.crt", pki.folder / "server.key")
    app = web.Application()
    app.router.add_post("/{path}", served.handle)
    async with AsyncExitStack() as stack:
        m1.addresses["10.42.0.9", 8443] = await listening(stack, app, tls)
        await make_service(engine, "hook", "10.42.0.9", port=443, target=8443, node=None, pod="")
        served.bundle = base64.b64encode(pki.ca_pem).decode()
        yield served


def webhook(hooks: Hooks, path: str, rule: Json, service: str = "hook", **more: Any) -> Json:
    client = {"service": {"name": service, "namespace": "default", "path": f"/{path}"}, "caBundle": hooks.bundle}
    return {
        "name": f"{path}.hooks.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
        "clientConfig": client, "rules": [rule], **more,
    }  # fmt: skip


async def test_webhook_behind_a_service_is_asked_by_its_name(engine: RunningEngine, hooks: Hooks) -> None:
    hooks.answers["/add"] = lambda _: patched({"op": "add", "path": "/data/added", "value": "yes"})
    await engine.client.create(MUTATING, configuration(MUTATING, "m", webhook(hooks, "add", RULE)))
    made = await engine.client.create(CONFIGMAPS, config_map(x="1"), "default")
    assert made["data"] == {"x": "1", "added": "yes"}


async def test_what_stands_between_a_webhook_and_its_service_is_named(engine: RunningEngine, hooks: Hooks) -> None:
    async def failure() -> str:
        with pytest.raises(StatusError) as refused:
            await engine.client.create(CONFIGMAPS, config_map(), "default", dry_run=True)
        assert refused.value.code == 500
        return refused.value.message

    await make_service(engine, "empty", "10.42.0.9", port=443, target=8443, ready=False)
    await make_service(engine, "other", "10.42.0.9", port=443, target=8443)
    texts = {
        "none": 'service "none" not found',
        "empty": 'no endpoints available for service "empty"',
        "other": "certificate is not valid for 'other.default.svc'",
    }
    for service, text in texts.items():
        hook = webhook(hooks, "judge", RULE, service)
        await engine.client.create(VALIDATING, configuration(VALIDATING, service, hook))
        message = await failure()
        url = f'Post "https://{service}.default.svc:443/judge?timeout=10s"'
        assert f'failed calling webhook "judge.hooks.example.com": failed to call webhook: {url}: ' in message
        assert text in message
        await engine.client.delete(VALIDATING, service)
    hook = webhook(hooks, "judge", RULE)
    await engine.client.create(VALIDATING, configuration(VALIDATING, "v", hook))
    await engine.client.patch(SERVICES, "hook", {"spec": {"ports": [{"port": 444}]}}, "default", kind="merge")
    assert 'no service port 443 found for service "hook"' in await failure()


async def test_exec_is_reviewed_with_its_options(engine: RunningEngine, hooks: Hooks, m1: Machine) -> None:
    hooks.answers["/judge"] = lambda asked: {
        "allowed": "rm" not in asked["object"].get("command", ()),
        "status": {"message": "no removals"},
    }
    await engine.client.create(VALIDATING, configuration(VALIDATING, "v", webhook(hooks, "judge", CONNECT)))
    ran = await engine.kubectl("exec", "-i", "web", "--", "rm", "-r", check=False)
    assert 'admission webhook "judge.hooks.example.com" denied the request: no removals' in ran.err
    assert m1.asked == []
    asked = hooks.asked[0][1]
    assert (asked["operation"], asked["subResource"], asked["name"], asked["namespace"]) == (
        "CONNECT", "exec", "web", "default",
    )  # fmt: skip
    assert asked["kind"] == {"group": "", "version": "v1", "kind": "PodExecOptions"}
    assert asked["resource"] == {"group": "", "version": "v1", "resource": "pods"}
    assert asked["object"] == {
        "kind": "PodExecOptions", "apiVersion": "v1", "container": "main", "command": ["rm", "-r"],
        "stdin": True, "stdout": True, "stderr": True,
    }  # fmt: skip
    assert (asked["oldObject"], asked["options"]) == (None, None)
    with pytest.raises(StatusError, match="Upgrade request required"):
        await engine.client.call("POST", "/api/v1/namespaces/default/pods/web/attach?stdin=true")
    with pytest.raises(StatusError, match="Upgrade request required"):
        await engine.client.call("POST", "/api/v1/namespaces/default/pods/web/portforward?ports=80,81")
    objects = [asked["object"] for _, asked in hooks.asked[-2:]]
    assert [objects[0]["kind"], objects[0]["stdin"]] == ["PodAttachOptions", True]
    assert [objects[1]["kind"], objects[1]["ports"]] == ["PodPortForwardOptions", [80, 81]]


async def test_webhook_may_change_what_is_executed(engine: RunningEngine, hooks: Hooks, m1: Machine) -> None:
    hooks.answers["/tame"] = lambda _: patched({"op": "replace", "path": "/command", "value": ["true"]})
    await engine.client.create(MUTATING, configuration(MUTATING, "m", webhook(hooks, "tame", CONNECT)))
    await engine.kubectl("exec", "web", "--", "rm", check=False)
    assert m1.asked[0] == "GET /exec/default/web/main?command=true&stdout=true&stderr=true"


async def test_policy_judges_proxied_requests(engine: RunningEngine, m1: Machine) -> None:
    rule = {"expression": "object.path.startsWith('/public')"}
    constraints = {"resourceRules": [CONNECT]}
    await engine.client.create(POLICIES, policy("public", rule, matchConstraints=constraints))
    await engine.client.create(BINDINGS, binding("public", "Deny"))
    with pytest.raises(StatusError, match="failed expression: object.path.startsWith"):
        await engine.client.call("GET", "/api/v1/namespaces/default/pods/web/proxy/secret")
    with pytest.raises(StatusError, match="connection refused"):
        await engine.client.call("GET", "/api/v1/namespaces/default/pods/web/proxy/public/x")
