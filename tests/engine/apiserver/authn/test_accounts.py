"""Tokens of ServiceAccounts: whom they stand for, and from when on they stand for nobody."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from apimachinery.objects.meta import format_time
from apimachinery.objects.resources import SECRETS
from engine.apiserver.authn.accounts import AccountTokens, Private, Reference
from engine.apiserver.authn.jose import BadToken, SigningKey
from tests.engine.conftest import RunningEngine

Json = dict[str, Any]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = SigningKey(ec.generate_private_key(ec.SECP256R1()))


class Objects:
    """What the API holds."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str, str], Json] = {}
        for plural, namespace, name in (
            ("serviceaccounts", "n", "robot"), ("pods", "n", "p"), ("secrets", "n", "s"), ("nodes", "", "m"),
        ):  # fmt: skip
            meta = {"name": name, "namespace": namespace, "uid": f"{plural}-1"}
            self.held[plural, namespace, name] = {"metadata": meta}

    def lookup(self, plural: str, namespace: str, name: str) -> Json | None:
        return self.held.get((plural, namespace, name))

    def tokens(self) -> AccountTokens:
        return AccountTokens(KEY, "https://issuer", self.lookup)


BOUND = {
    "pods": Private(pod=Reference("p", "pods-1")),
    "secrets": Private(secret=Reference("s", "secrets-1")),
    "nodes": Private(node=Reference("m", "nodes-1")),
    "serviceaccounts": Private(),
}
NAMES = {"pods": ("n", "p"), "secrets": ("n", "s"), "nodes": ("", "m"), "serviceaccounts": ("n", "robot")}


@pytest.mark.parametrize("plural", BOUND)
@pytest.mark.parametrize(
    ("change", "text"),
    [
        pytest.param(lambda held, key: held.pop(key), "is gone", id="gone"),
        pytest.param(lambda held, key: held[key]["metadata"].update(uid="2"), "is another one now", id="another"),
        pytest.param(
            lambda held, key: held[key]["metadata"].update(deletionTimestamp=format_time(NOW - timedelta(minutes=2))),
            "has been deleted", id="deleted-a-while-ago",
        ),
    ],
)  # fmt: skip
def test_token_ends_with_what_it_is_bound_to(plural: str, change: Any, text: str) -> None:
    objects = Objects()
    tokens = objects.tokens()
    account = objects.held["serviceaccounts", "n", "robot"]
    token = tokens.issue(account, audiences=("https://issuer",), seconds=3600, now=NOW, bound=BOUND[plural])
    assert tokens.user(token, NOW)[0].name == "system:serviceaccount:n:robot"
    change(objects.held, (plural, *NAMES[plural]))
    with pytest.raises(BadToken, match=text):
        tokens.user(token, NOW)


def test_token_of_a_pod_that_is_just_leaving_still_counts() -> None:
    objects = Objects()
    tokens = objects.tokens()
    account = objects.held["serviceaccounts", "n", "robot"]
    token = tokens.issue(account, audiences=("https://issuer",), seconds=3600, now=NOW, bound=BOUND["pods"])
    objects.held["pods", "n", "p"]["metadata"]["deletionTimestamp"] = format_time(NOW - timedelta(seconds=30))
    extra = tokens.user(token, NOW)[0].extra
    assert extra["authentication.kubernetes.io/pod-name"] == ("p",)
    with pytest.raises(BadToken, match="expired"):
        tokens.user(token, NOW + timedelta(hours=2))
    with pytest.raises(BadToken, match="audiences"):
        tokens.user(token, NOW, ("somebody else",))


def test_token_in_a_secret_counts_while_the_secret_holds_it() -> None:
    objects = Objects()
    tokens = objects.tokens()
    token = tokens.issue_for_secret("n", "robot", "serviceaccounts-1", "s")
    with pytest.raises(BadToken, match="does not match server's copy"):
        tokens.user(token, NOW)
    objects.held["secrets", "n", "s"]["data"] = {"token": base64.b64encode(token.encode()).decode()}
    assert tokens.user(token, NOW + timedelta(days=4000))[0].uid == "serviceaccounts-1"
    del objects.held["serviceaccounts", "n", "robot"]
    with pytest.raises(BadToken, match="is gone"):
        tokens.user(token, NOW)


async def test_kubectl_creates_bound_tokens_for_audiences(engine: RunningEngine) -> None:
    await engine.kubectl("create", "serviceaccount", "robot")
    await engine.kubectl("create", "secret", "generic", "s")
    bound = ("--bound-object-kind=Secret", "--bound-object-name=s")
    token = (await engine.kubectl("create", "token", "robot", "--audience=vault", "--duration=2h", *bound)).out.strip()
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["aud"] == ["vault"]
    assert claims["exp"] - claims["iat"] == 7200
    assert claims["kubernetes.io"]["secret"]["name"] == "s"

    async def review() -> Json:
        body = {
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
            "spec": {"token": token, "audiences": ["vault"]},
        }  # fmt: skip
        ran = await engine.kubectl("create", "--validate=false", "-f", "-", "-o", "json", stdin=json.dumps(body))
        return json.loads(ran.out)["status"]

    assert (await review())["user"]["username"] == "system:serviceaccount:default:robot"
    await engine.client.delete(SECRETS, "s", "default")
    assert not (await review()).get("authenticated")


async def test_acting_as_others_carries_extras_and_takes_a_permission_for_each(engine: RunningEngine) -> None:
    body = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}).encode()
    path, headers = "/apis/authentication.k8s.io/v1/selfsubjectreviews", {"content-type": "application/json"}
    acting = {"impersonate-user": "jane", "impersonate-uid": "7", "impersonate-extra-example.com%2fscopes": "view"}
    answer = json.loads(await engine.client.call("POST", path, headers={**headers, **acting}, body=body))
    assert answer["status"]["userInfo"] == {
        "username": "jane", "uid": "7", "groups": ["system:authenticated"], "extra": {"example.com/scopes": ["view"]},
    }  # fmt: skip
    await engine.kubectl("create", "serviceaccount", "robot")
    await engine.kubectl("create", "clusterrole", "act", "--verb=impersonate", "--resource=users")
    await engine.kubectl("create", "clusterrolebinding", "act", "--clusterrole=act", "--serviceaccount=default:robot")
    token = (await engine.kubectl("create", "token", "robot")).out.strip()
    async with aiohttp.ClientSession(headers={**headers, "authorization": f"Bearer {token}"}) as http:
        trusted = engine.ssl(certificate=False)
        for more, status in (({}, 201), ({"impersonate-extra-scopes": "view"}, 403), ({"impersonate-uid": "7"}, 403)):
            url, acting = f"{engine.url}{path}", {"impersonate-user": "jane", **more}
            async with http.post(url, data=body, headers=acting, ssl=trusted) as got:
                assert got.status == status, more
