"""Tokens in Secrets of type kubernetes.io/service-account-token: filled in, and gone with their ServiceAccount.

Source: pkg/controller/serviceaccount/tokens_controller.go.
"""

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from apimachinery.objects.meta import Object, key, object_key
from apimachinery.objects.resources import SECRETS, SERVICEACCOUNTS
from engine.controllers.actions import Action, Delete, Patch
from engine.controllers.controller import Moment, Reader, Source, Watch
from engine.controllers.serviceaccount import ACCOUNT_SOURCE, Account

Json = dict[str, Any]
Sign = Callable[[str, str, str, str], str]
"""(namespace, account's name, its uid, the Secret's name) to the token."""

TYPE = "kubernetes.io/service-account-token"
_NAME = "kubernetes.io/service-account.name"
_UID = "kubernetes.io/service-account.uid"


class TokenData(msgspec.Struct, frozen=True):
    """What is in such a Secret, in base64; of other Secrets the same keys, unlooked at."""

    token: str = ""
    namespace: str = ""
    certificate: str = msgspec.field(default="", name="ca.crt")


class Secret(Object, frozen=True):
    type: str = ""
    data: TokenData = TokenData()

    @property
    def account(self) -> str:
        """The key of the account that it is for, empty for Secrets of other types."""
        name = self.metadata.annotations.get(_NAME, "") if self.type == TYPE else ""
        return object_key(self.metadata.namespace, name) if name else ""


SECRET_SOURCE = Source(
    SECRETS, Secret, {"account": lambda secret: [secret.account] if secret.account else []}
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    key: str
    secret: Secret | None = None
    account: Account | None = None
    """The account that the Secret names, as it is now."""
    referring: tuple[Account, ...] = ()
    """The accounts that name a Secret which is gone."""
    certificate: str = ""
    """The root CA as PEM."""
    token: str = ""
    """For a Secret that has none yet."""


def plan(observed: Observed) -> list[Action]:
    secret = observed.secret
    if secret is None:
        name = observed.key.rpartition("/")[2]
        return [_forget(account, name) for account in observed.referring]
    meta = secret.metadata
    if meta.deletion_timestamp is not None:
        return []
    if observed.account is None:
        return [Delete(resource=SECRETS, namespace=meta.namespace, name=meta.name, uid=meta.uid)]
    wanted = {"ca.crt": observed.certificate, "namespace": meta.namespace, "token": observed.token}
    present = {"ca.crt": secret.data.certificate, "namespace": secret.data.namespace, "token": secret.data.token}
    data: dict[str, str] = {}
    for name, text in wanted.items():
        encoded = base64.b64encode(text.encode()).decode()
        # A CA may change; a namespace and a token that are there stay.
        if text and (present[name] != encoded if name == "ca.crt" else not present[name]):
            data[name] = encoded
    account = observed.account.metadata
    annotations = {_NAME: account.name, _UID: account.uid}
    if not data and all(meta.annotations.get(name) == value for name, value in annotations.items()):
        return []
    body: Json = {"metadata": {"annotations": annotations}, **({"data": data} if data else {})}
    return [
        Patch(
            resource=SECRETS,
            namespace=meta.namespace,
            name=meta.name,
            body=body,
            uid=meta.uid,
            resource_version=meta.resource_version,
        )
    ]


def _forget(account: Account, secret: str) -> Action:
    meta = account.metadata
    left = [msgspec.to_builtins(reference) for reference in account.secrets if reference.name != secret]
    return Patch(
        resource=SERVICEACCOUNTS,
        namespace=meta.namespace,
        name=meta.name,
        body={"secrets": left or None},
        uid=meta.uid,
        resource_version=meta.resource_version,
    )


class AccountTokensController:
    """One key: one Secret. `sign` makes its token, `certificate` is the PEM of the root CA."""

    name = "accounttokens"
    component = "service-account-token-controller"

    def __init__(self, certificate: str, sign: Sign) -> None:
        self._certificate = certificate
        self._sign = sign
        self.watches = (Watch(SECRET_SOURCE, _if_token), Watch(ACCOUNT_SOURCE, _tokens_of))

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:  # noqa: ARG002
        secret = reader.get(SECRET_SOURCE, key)
        namespace = key.rpartition("/")[0]
        if secret is None:
            name = key.rpartition("/")[2]
            accounts = reader.list(ACCOUNT_SOURCE, namespace)
            named = (one for one in accounts if any(reference.name == name for reference in one.secrets))
            return Observed(key=key, referring=tuple(named))
        if not secret.account:
            return None
        account = reader.get(ACCOUNT_SOURCE, secret.account)
        if account is None:
            # It may have been made a moment ago.
            found = await reader.live_get(SERVICEACCOUNTS, namespace, secret.account.rpartition("/")[2])
            account = msgspec.convert(found, Account) if found is not None else None
        uid = secret.metadata.annotations.get(_UID, "")
        if account is not None and uid not in ("", account.metadata.uid):
            account = None
        if account is None or secret.data.token:
            return Observed(key=key, secret=secret, account=account, certificate=self._certificate)
        meta = account.metadata
        token = self._sign(namespace, meta.name, meta.uid, secret.metadata.name)
        return Observed(key=key, secret=secret, account=account, certificate=self._certificate, token=token)

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)


def _if_token(secret: Secret, _reader: Reader) -> Iterable[str]:
    return [key(secret)] if secret.type == TYPE else []


def _tokens_of(account: Account, reader: Reader) -> Iterable[str]:
    return [key(secret) for secret in reader.by_index(SECRET_SOURCE, "account", key(account))]
