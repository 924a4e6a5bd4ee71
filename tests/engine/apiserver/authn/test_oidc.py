"""People who sign in with an OpenID provider: the provider's keys over real HTTPS, its tokens shown by the real kubectl."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from engine.apiserver.authn.jose import BadToken
from engine.apiserver.authn.oidc import OidcSettings, OidcTokens
from engine.pki import Pki
from tests.engine.conftest import start_engine, stop_engine
from tests.engine.controllers.test_accounttokens import whoami

Json = dict[str, Any]
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Provider:
    """Publishes its keys and signs tokens."""

    def __init__(self) -> None:
        self.issuer = ""
        self.ca_file = Path()

    async def discovery(self, _request: web.Request) -> web.Response:
        return web.json_response({"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"})

    async def keys(self, _request: web.Request) -> web.Response:
        published = jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
        return web.json_response({"keys": [{**published, "kid": "one", "use": "sig"}]})

    def token(self, key: rsa.RSAPrivateKey = KEY, kid: str = "one", **claims: Any) -> str:
        body = {"iss": self.issuer, "aud": "ph", "sub": "42", "exp": int(time.time()) + 600, **claims}
        return jwt.encode(body, key, "RS256", headers={"kid": kid})


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncIterator[Provider]:
    made = Provider()
    folder = tmp_path / "provider"
    Pki.ensure(folder)
    made.ca_file = folder / "pki/ca.crt"
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "pki/server.crt", folder / "pki/server.key")
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", made.discovery)
    app.router.add_get("/keys", made.keys)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    made.issuer = f"https://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


async def known(provider: Provider, **settings: Any) -> OidcTokens:
    from apimachinery.aio.clock import FakeClock

    given = {"issuer_url": provider.issuer, "client_id": "ph", "ca_file": provider.ca_file, **settings}
    tokens = OidcTokens(OidcSettings(**given), FakeClock())
    running = asyncio.ensure_future(tokens.run())
    async with asyncio.timeout(5):
        while True:
            try:
                tokens.user(provider.token(email="e", name="n", team="a"))
            except BadToken as error:
                if "no key of the provider" in str(error):
                    await asyncio.sleep(0.01)
                    continue
            break
    running.cancel()
    await asyncio.wait((running,))
    return tokens


async def test_claims_name_users_and_groups(provider: Provider) -> None:
    plain = await known(provider)
    assert plain.user(provider.token()).name == f"{provider.issuer}#42"
    named = await known(provider, username_claim="email", groups_claim="teams", groups_prefix="oidc:")
    user = named.user(provider.token(email="jane@example.com", teams=["a", "b"]))
    assert (user.name, user.groups) == ("jane@example.com", ("oidc:a", "oidc:b", "system:authenticated"))
    assert named.user(provider.token(email="jane@example.com", teams="a")).groups[0] == "oidc:a"
    bare = await known(provider, username_prefix="-", required_claims={"team": "a"})
    assert bare.user(provider.token(team="a")).name == "42"
    with pytest.raises(BadToken, match="required claim team value does not match"):
        bare.user(provider.token(team="b"))
    with pytest.raises(BadToken, match="email not verified"):
        named.user(provider.token(email="jane@example.com", email_verified=False))


@pytest.mark.parametrize(
    ("key", "claims"),
    [
        pytest.param(OTHER, {}, id="another-key"),
        pytest.param(KEY, {"aud": "other"}, id="another-audience"),
        pytest.param(KEY, {"exp": 1}, id="expired"),
        pytest.param(KEY, {"kid": "two"}, id="unknown-key"),
        pytest.param(KEY, {"sub": ""}, id="nobody"),
    ],
)
async def test_other_tokens_are_refused(provider: Provider, key: rsa.RSAPrivateKey, claims: Json) -> None:
    tokens = await known(provider)
    with pytest.raises(BadToken, match="oidc: "):
        tokens.user(provider.token(key, **claims))


async def test_tokens_signed_by_a_shared_secret_are_refused(provider: Provider) -> None:
    tokens = await known(provider, signing_algs=("RS256", "HS256"))
    body = {"iss": provider.issuer, "aud": "ph", "sub": "42", "exp": int(time.time()) + 600}
    forged = jwt.encode(body, "x" * 32, "HS256", headers={"kid": "one"})
    with pytest.raises(BadToken):
        tokens.user(forged)


async def test_kubectl_signs_in_with_an_id_token(provider: Provider, tmp_path: Path) -> None:
    engine, task = await start_engine(
        tmp_path / "data", controllers=False, oidc_issuer_url=provider.issuer, oidc_client_id="ph",
        oidc_ca_file=provider.ca_file, oidc_username_claim="email", oidc_groups_claim="groups",
    )  # fmt: skip
    try:
        token = provider.token(email="jane@example.com", groups=["dev"])
        async with asyncio.timeout(20):
            while (await whoami(engine, token)).out != "jane@example.com":
                await asyncio.sleep(0.2)
        await engine.kubectl("create", "role", "view-pods", "--verb=list", "--resource=pods")
        await engine.kubectl("create", "rolebinding", "dev", "--role=view-pods", "--group=dev")
        config = str(engine.data_dir / "bearer")
        listed = await engine.kubectl("get", "pods", "--kubeconfig", config, check=False)
        assert "No resources found" in listed.err
        refused = await engine.kubectl("get", "secrets", "--kubeconfig", config, check=False)
        assert 'User "jane@example.com" cannot list resource "secrets"' in refused.err
        old = await whoami(engine, provider.token(email="jane@example.com", exp=1))
        assert old.code != 0
    finally:
        await stop_engine(engine, task)
