"""Secrets with tokens of accounts: filled in once, gone with the account, forgotten by it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from typing import Any

import pytest

from apimachinery.objects.errors import NotFound
from apimachinery.objects.meta import ObjectMeta
from apimachinery.objects.resources import SECRETS, SERVICEACCOUNTS
from engine.controllers.accounttokens import TYPE, Observed, Secret, TokenData, plan
from engine.controllers.actions import Action, Delete, Patch
from engine.controllers.serviceaccount import Account, SecretReference
from tests.engine.conftest import Ran, RunningEngine

NAMES = {"kubernetes.io/service-account.name": "robot", "kubernetes.io/service-account.uid": "u1"}


def secret(*, annotations: dict[str, str] = NAMES, **data: str) -> Secret:
    meta = ObjectMeta(name="t", namespace="n", uid="s1", resource_version="7", annotations=annotations)
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in data.items()}
    return Secret(metadata=meta, type=TYPE, data=TokenData(**encoded))


ROBOT = Account(metadata=ObjectMeta(name="robot", namespace="n", uid="u1", resource_version="3"))
REFERRING = Account(metadata=ROBOT.metadata, secrets=(SecretReference("t"), SecretReference("other")))


def change(body: dict[str, Any], *, what: str = "secret") -> Patch:
    if what == "account":
        return Patch(resource=SERVICEACCOUNTS, namespace="n", name="robot", body=body, uid="u1", resource_version="3")
    return Patch(resource=SECRETS, namespace="n", name="t", body=body, uid="s1", resource_version="7")


@pytest.mark.parametrize(
    ("observed", "actions"),
    [
        pytest.param(
            Observed(key="n/t", secret=secret(annotations={}), account=ROBOT, certificate="CA", token="T"),
            [change({"metadata": {"annotations": NAMES}, "data": {"ca.crt": "Q0E=", "namespace": "bg==", "token": "VA=="}})],
            id="empty",
        ),
        pytest.param(
            Observed(key="n/t", secret=secret(token="T", namespace="n", certificate="CA"), account=ROBOT, certificate="CA"),
            [], id="full",
        ),
        pytest.param(
            Observed(key="n/t", secret=secret(token="T", namespace="n", certificate="old"), account=ROBOT, certificate="CA"),
            [change({"metadata": {"annotations": NAMES}, "data": {"ca.crt": "Q0E="}})], id="new-ca",
        ),
        pytest.param(
            Observed(key="n/t", secret=secret(token="T")), [Delete(resource=SECRETS, namespace="n", name="t", uid="s1")],
            id="no-account",
        ),
        pytest.param(
            Observed(key="n/t", referring=(REFERRING,)), [change({"secrets": [{"name": "other"}]}, what="account")],
            id="gone",
        ),
        pytest.param(Observed(key="n/t"), [], id="gone-and-nobody-cares"),
    ],
)  # fmt: skip
def test_plan(observed: Observed, actions: Sequence[Action]) -> None:
    assert plan(observed) == actions


async def test_secret_is_filled_its_token_works_and_goes_with_its_account(whole_engine: RunningEngine) -> None:
    engine, client = whole_engine, whole_engine.client
    await engine.kubectl("create", "serviceaccount", "robot")
    await client.create(
        SECRETS,
        {
            "apiVersion": "v1", "kind": "Secret", "type": TYPE,
            "metadata": {"name": "t", "annotations": {"kubernetes.io/service-account.name": "robot"}},
        },
        "default",
    )  # fmt: skip
    async with asyncio.timeout(10):
        while not (made := await client.get(SECRETS, "t", "default")).get("data"):
            await asyncio.sleep(0.02)
    assert set(made["data"]) == {"ca.crt", "namespace", "token"}
    assert base64.b64decode(made["data"]["namespace"]) == b"default"
    token = base64.b64decode(made["data"]["token"]).decode()
    who = await whoami(engine, token)
    assert who.out == "system:serviceaccount:default:robot"
    # Another token in its place ends the first.
    await client.patch(SECRETS, "t", {"data": {"token": "eA=="}}, "default", kind="merge")
    refused = await whoami(engine, token)
    assert "Unauthorized" in refused.err or "must be logged in" in refused.err
    await client.delete(SERVICEACCOUNTS, "robot", "default")
    async with asyncio.timeout(10):
        while True:
            try:
                await client.get(SECRETS, "t", "default")
            except NotFound:
                return
            await asyncio.sleep(0.02)


async def whoami(engine: RunningEngine, token: str) -> Ran:
    """Ask as the token's bearer, with nothing else to show."""
    path = engine.data_dir / "bearer"
    path.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n"
        f"clusters: [{{name: c, cluster: {{server: '{engine.url}', certificate-authority: {engine.pki / 'ca.crt'}}}}}]\n"
        f"users: [{{name: u, user: {{token: {token}}}}}]\n"
    )
    said = "jsonpath={.status.userInfo.username}"
    return await engine.kubectl("auth", "whoami", "--kubeconfig", str(path), "-o", said, check=False)
