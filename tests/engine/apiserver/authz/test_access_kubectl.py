"""Who may do what, by the real kubectl and by curl's own means against a real engine."""

from __future__ import annotations

import asyncio
import base64
import json

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from tests.engine.conftest import Ran, RunningEngine


async def settled(engine: RunningEngine, *arguments: str, wanted: str) -> Ran:
    """Ask until the answer holds what is wanted; controllers may need a moment."""
    for _ in range(100):
        ran = await engine.kubectl(*arguments, check=False)
        if wanted in ran.out:
            return ran
        await asyncio.sleep(0.1)
    raise AssertionError(f"no {wanted!r} in {ran.out!r} {ran.err!r}")


async def test_a_user_may_do_what_a_role_says_and_nothing_else(engine: RunningEngine) -> None:
    refused = await engine.kubectl("get", "pods", "--as=jane", check=False)
    assert refused.err == (
        'Error from server (Forbidden): pods is forbidden: User "jane" cannot list resource "pods" in API group ""'
        ' in the namespace "default"\n'
    )
    await engine.kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods,pods/log")
    await engine.kubectl("create", "rolebinding", "jane", "--role=reader", "--user=jane")
    assert (await engine.kubectl("get", "pods", "--as=jane")).err == "No resources found in default namespace.\n"
    for question, answer in (("list pods", "yes"), ("get pods --subresource=log", "yes"), ("delete pods", "no")):
        ran = await engine.kubectl("auth", "can-i", *question.split(), "--as=jane", check=False)
        assert ran.out.strip() == answer, question
    elsewhere = await engine.kubectl("auth", "can-i", "list", "pods", "--as=jane", "-n", "kube-system", check=False)
    assert elsewhere.out == "no\n"
    listed = (await engine.kubectl("auth", "can-i", "--list", "--as=jane")).out
    assert "pods/log" in listed
    await engine.kubectl("delete", "rolebinding", "jane")
    assert (await engine.kubectl("get", "pods", "--as=jane", check=False)).code == 1


async def test_whoami_names_the_user_and_whom_he_acts_as(engine: RunningEngine) -> None:
    admin = json.loads((await engine.kubectl("auth", "whoami", "-o", "json")).out)["status"]["userInfo"]
    assert admin == {"username": "pilothouse-admin", "groups": ["system:masters", "system:authenticated"]}
    acted = await engine.kubectl("auth", "whoami", "-o", "json", "--as=jane", "--as-group=dev", "--as-uid=7")
    info = json.loads(acted.out)["status"]["userInfo"]
    assert info == {"username": "jane", "uid": "7", "groups": ["dev", "system:authenticated"]}


async def test_acting_as_others_takes_a_permission_of_its_own(engine: RunningEngine) -> None:
    assert (await engine.kubectl("create", "token", "robot", check=False)).err.startswith(
        'error: failed to create token: serviceaccounts "robot" not found'
    )
    await engine.kubectl("create", "serviceaccount", "robot")
    token = (await engine.kubectl("create", "token", "robot", "--duration=20m")).out.strip()
    async with aiohttp.ClientSession() as http:
        headers = {"authorization": f"Bearer {token}", "impersonate-user": "jane"}
        url = f"{engine.url}/api/v1/namespaces/default/pods"
        async with http.get(url, headers=headers, ssl=engine.ssl(certificate=False)) as answer:
            assert answer.status == 403
            assert (await answer.json())["message"] == (
                'users "jane" is forbidden: User "system:serviceaccount:default:robot" cannot impersonate resource'
                ' "users" in API group "" at the cluster scope'
            )


async def test_token_lets_its_account_in_while_the_account_lives(engine: RunningEngine) -> None:
    await engine.kubectl("create", "serviceaccount", "robot")
    await engine.kubectl("create", "role", "reader", "--verb=list", "--resource=configmaps")
    await engine.kubectl("create", "rolebinding", "robot", "--role=reader", "--serviceaccount=default:robot")
    token = (await engine.kubectl("create", "token", "robot")).out.strip()
    url = f"{engine.url}/api/v1/namespaces/default/configmaps"
    trusted = engine.ssl(certificate=False)
    async with aiohttp.ClientSession(headers={"authorization": f"Bearer {token}"}) as http:
        async with http.get(url, ssl=trusted) as answer:
            assert answer.status == 200
        async with http.get(f"{engine.url}/openid/v1/jwks", ssl=trusted) as answer:
            assert (await answer.json(content_type=None))["keys"][0]["alg"] == "ES256"
        async with http.get(f"{engine.url}/.well-known/openid-configuration", ssl=trusted) as answer:
            assert (await answer.json())["issuer"] == "https://kubernetes.default.svc.cluster.local"
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        made = await engine.kubectl("create", "-f", "-", "-o", "json", "--validate=false", stdin=json.dumps(review))
        status = json.loads(made.out)["status"]
        assert (status["authenticated"], status["user"]["username"]) == (True, "system:serviceaccount:default:robot")
        await engine.kubectl("delete", "serviceaccount", "robot")
        async with http.get(url, ssl=trusted) as answer:
            assert answer.status == 401
            assert (await answer.json())["message"] == "Unauthorized"


async def test_tokens_too_short_or_bound_to_nothing_are_refused(engine: RunningEngine) -> None:
    await engine.kubectl("create", "serviceaccount", "robot")
    ran = await engine.kubectl("create", "token", "robot", "--duration=1m", check=False)
    assert "spec.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes" in ran.err
    bound = ("--bound-object-kind=Pod", "--bound-object-name=nope")
    ran = await engine.kubectl("create", "token", "robot", *bound, check=False)
    assert 'pods "nope" not found' in ran.err


async def test_nobody_grants_what_he_does_not_hold(engine: RunningEngine) -> None:
    await engine.kubectl("create", "clusterrole", "granter", "--verb=create,get", "--resource=roles,rolebindings")
    await engine.kubectl("create", "clusterrolebinding", "jane", "--clusterrole=granter", "--user=jane")
    create = ("create", "role", "thief", "--verb=get", "--resource=secrets", "--as=jane")
    ran = await engine.kubectl(*create, check=False)
    assert (
        'roles.rbac.authorization.k8s.io "thief" is forbidden: user "jane" (groups=["system:authenticated"])'
        " is attempting to grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}'
    ) in ran.err
    bind = ("create", "rolebinding", "all", "--clusterrole=cluster-admin", "--user=jane", "--as=jane")
    assert (
        "is attempting to grant RBAC permissions not currently held" in (await engine.kubectl(*bind, check=False)).err
    )
    await engine.kubectl(
        "create", "clusterrole", "own", "--verb=*", "--resource=roles,rolebindings", "--as=jane", check=False
    )
    await engine.kubectl("create", "role", "same", "--verb=get", "--resource=roles", "--as=jane")


async def test_roles_gather_the_rules_of_those_they_select(whole_engine: RunningEngine) -> None:
    ask = ("auth", "can-i", "list", "leases.coordination.k8s.io", "--as=jane")
    await whole_engine.kubectl("create", "rolebinding", "jane", "--clusterrole=view", "--user=jane")
    await settled(whole_engine, "auth", "can-i", "list", "pods", "--as=jane", wanted="yes")
    assert (await whole_engine.kubectl("auth", "can-i", "get", "secrets", "--as=jane", check=False)).out == "no\n"
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "lease-viewer", "labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}},
        "rules": [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["list"]}],
    }  # fmt: skip
    assert (await whole_engine.kubectl(*ask, check=False)).out == "no\n"
    await whole_engine.kubectl("create", "-f", "-", stdin=json.dumps(role))
    await settled(whole_engine, *ask, wanted="yes")
    rules = json.loads((await whole_engine.kubectl("get", "clusterrole", "admin", "-o", "json")).out)["rules"]
    assert any("secrets" in rule["resources"] for rule in rules)


def request_for(name: str, organization: str) -> tuple[rsa.RSAPrivateKey, str]:
    key = rsa.generate_private_key(65537, 2048)
    subject = [
        x509.NameAttribute(NameOID.COMMON_NAME, name),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
    ]
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject)).sign(key, hashes.SHA256())
    return key, base64.b64encode(csr.public_bytes(serialization.Encoding.PEM)).decode()


def signing_request(name: str, request: str) -> str:
    return json.dumps({
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": name},
        "spec": {
            "request": request, "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"],
            "expirationSeconds": 86400,
        },
    })  # fmt: skip


async def test_an_approved_request_becomes_a_certificate_that_lets_one_in(whole_engine: RunningEngine) -> None:
    engine = whole_engine
    key, request = request_for("jane", "dev")
    await engine.kubectl("create", "-f", "-", stdin=signing_request("jane", request))
    assert "Pending" in (await engine.kubectl("get", "csr", "jane")).out
    await engine.kubectl("certificate", "approve", "jane")
    await settled(engine, "get", "csr", "jane", wanted="Approved,Issued")
    issued = (await engine.kubectl("get", "csr", "jane", "-o", "jsonpath={.status.certificate}")).out
    pem = base64.b64decode(issued)
    certificate = x509.load_pem_x509_certificate(pem)
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).total_seconds() < 2 * 86400
    files = engine.data_dir / "jane.crt", engine.data_dir / "jane.key"
    files[0].write_bytes(pem)
    plain = serialization.NoEncryption()
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    trusted = engine.ssl(certificate=False)
    trusted.load_cert_chain(*files)
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    async with aiohttp.ClientSession() as http, http.post(engine.url + path, json=review, ssl=trusted) as answer:
        who = (await answer.json())["status"]["userInfo"]
    assert who == {"username": "jane", "groups": ["dev", "system:authenticated"]}


async def test_a_denied_request_gets_no_certificate_and_masters_none_at_all(whole_engine: RunningEngine) -> None:
    _, request = request_for("joe", "dev")
    await whole_engine.kubectl("create", "-f", "-", stdin=signing_request("joe", request))
    await whole_engine.kubectl("certificate", "deny", "joe")
    assert "Denied" in (await whole_engine.kubectl("get", "csr", "joe")).out
    _, request = request_for("joe", "system:masters")
    ran = await whole_engine.kubectl("create", "-f", "-", stdin=signing_request("j2", request), check=False)
    assert "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed" in ran.err


@pytest.mark.parametrize(
    ("path", "status"), [("/version", 200), ("/readyz", 200), ("/api", 403), ("/api/v1/pods", 403)]
)
async def test_strangers_may_see_health_and_version_alone(engine: RunningEngine, path: str, status: int) -> None:
    trusted = engine.ssl(certificate=False)
    async with aiohttp.ClientSession() as http, http.get(engine.url + path, ssl=trusted) as answer:
        assert answer.status == status
