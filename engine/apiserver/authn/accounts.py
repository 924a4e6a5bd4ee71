"""Tokens of service accounts: what they claim, and whether what they claim still holds.

Source: pkg/serviceaccount/{claims,jwt,legacy}.go.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from apimachinery.objects.meta import parse_time
from engine.apiserver.authn.jose import BadToken, SigningKey
from engine.apiserver.request import AUTHENTICATED, User

Json = dict[str, Any]
Lookup = Callable[[str, str, str], Json | None]
"""(plural, namespace, name) -> an object of the core group, as it is now."""

PREFIX = "system:serviceaccount:"
_LEGACY_ISSUER = "kubernetes/serviceaccount"
_REMEMBERED = 4096
# A token stays good this long after what it is bound to is marked for deletion: pods still have to say goodbye.
_DELETION_LEEWAY = 60
_CLOCK_LEEWAY = 60
_EXTENDED = 365 * 24 * 3600
# What injected volumes ask for. Such a token is made to live long for clients that never read it again, and warns.
WARNED_EXPIRY = 3607
_POD_NAME = "authentication.kubernetes.io/pod-name"
_POD_UID = "authentication.kubernetes.io/pod-uid"
_NODE_NAME = "authentication.kubernetes.io/node-name"
_NODE_UID = "authentication.kubernetes.io/node-uid"
_CREDENTIAL = "authentication.kubernetes.io/credential-id"


class Reference(msgspec.Struct, frozen=True, omit_defaults=True):
    """An object as it was when the token was made."""

    name: str = ""
    uid: str = ""


class Private(msgspec.Struct, frozen=True, omit_defaults=True):
    """The claim `kubernetes.io`."""

    namespace: str = ""
    serviceaccount: Reference = Reference()
    pod: Reference | None = None
    secret: Reference | None = None
    node: Reference | None = None
    warnafter: int | None = None


class Claims(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a bound token says."""

    aud: tuple[str, ...] | str = ()
    exp: int = 0
    iat: int = 0
    iss: str = ""
    jti: str = ""
    nbf: int = 0
    sub: str = ""
    private: Private = msgspec.field(name="kubernetes.io", default=Private())


class LegacyClaims(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the token in a Secret of type kubernetes.io/service-account-token says."""

    iss: str = _LEGACY_ISSUER
    sub: str = ""
    namespace: str = msgspec.field(name="kubernetes.io/serviceaccount/namespace", default="")
    secret: str = msgspec.field(name="kubernetes.io/serviceaccount/secret.name", default="")
    account: str = msgspec.field(name="kubernetes.io/serviceaccount/service-account.name", default="")
    uid: str = msgspec.field(name="kubernetes.io/serviceaccount/service-account.uid", default="")


class AccountTokens:
    """Issues and checks tokens. `lookup` finds the objects that they are bound to."""

    def __init__(self, key: SigningKey, issuer: str, lookup: Lookup) -> None:
        self.key = key
        self.issuer = issuer
        self._lookup = lookup
        self._verified: OrderedDict[bytes, Claims] = OrderedDict()

    def issue(
        self, account: Json, *, audiences: Sequence[str], seconds: int, now: datetime, bound: Private
    ) -> str:  # fmt: skip
        """A token for the account. `bound` names what else it depends on."""
        at = int(now.timestamp())
        metadata = account["metadata"]
        warn_after: int | None = None
        if seconds == WARNED_EXPIRY and tuple(audiences) == (self.issuer,) and bound.pod is not None:
            seconds, warn_after = _EXTENDED, at + WARNED_EXPIRY
        private = msgspec.structs.replace(
            bound,
            namespace=metadata["namespace"],
            serviceaccount=Reference(metadata["name"], metadata.get("uid", "")),
            warnafter=warn_after,
        )
        claims = Claims(
            aud=tuple(audiences),
            exp=at + seconds,
            iat=at,
            iss=self.issuer,
            jti=str(uuid.uuid4()),
            nbf=at,
            sub=f"{PREFIX}{metadata['namespace']}:{metadata['name']}",
            private=private,
        )
        return self.key.sign(msgspec.to_builtins(claims))

    def issue_for_secret(self, namespace: str, account: str, uid: str, secret: str) -> str:
        """The token that stands in a Secret: good for as long as both the Secret and the account are there."""
        claims = LegacyClaims(
            sub=f"{PREFIX}{namespace}:{account}", namespace=namespace, secret=secret, account=account, uid=uid
        )
        return self.key.sign({"iss": _LEGACY_ISSUER, **msgspec.to_builtins(claims)})

    def user(self, token: str, now: datetime, audiences: Sequence[str] = ()) -> tuple[User, tuple[str, ...]]:
        """Whom the token stands for, and which of the audiences it is for. Raises BadToken."""
        claims = self._claims(token)
        if not claims.jti and claims.private.secret is not None:
            self._check_held(token, claims.private)
        at = now.timestamp()
        if claims.exp < at:
            raise BadToken("Token has expired.")
        if claims.nbf > at + _CLOCK_LEEWAY:
            raise BadToken("Token is not valid yet.")
        wanted = tuple(audiences) or (self.issuer,)
        meant = (claims.aud,) if isinstance(claims.aud, str) else claims.aud
        common = tuple(audience for audience in wanted if audience in meant)
        if not common:
            raise BadToken(f"token audiences {list(meant)} is invalid for the target audiences {list(wanted)}")
        return self._user(claims, at), common

    def _claims(self, token: str) -> Claims:
        """The claims of a token that we signed. Verifying costs more than a request: tokens are remembered."""
        digest = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(digest)
        if known is not None:
            return known
        raw = self.key.verified(token)
        try:
            claims = msgspec.json.decode(raw, type=Claims)
            if claims.iss == _LEGACY_ISSUER:
                claims = self._from_legacy(msgspec.json.decode(raw, type=LegacyClaims))
        except msgspec.ValidationError as error:
            raise BadToken("malformed claims") from error
        if claims.iss != self.issuer:
            raise BadToken("issued by somebody else")
        self._verified[digest] = claims
        if len(self._verified) > _REMEMBERED:
            self._verified.popitem(last=False)
        return claims

    def _from_legacy(self, legacy: LegacyClaims) -> Claims:
        return Claims(
            aud=(self.issuer,),
            exp=1 << 62,
            iss=self.issuer,
            sub=legacy.sub,
            private=Private(
                namespace=legacy.namespace,
                serviceaccount=Reference(legacy.account, legacy.uid),
                secret=Reference(legacy.secret),
            ),
        )

    def _check_held(self, token: str, private: Private) -> None:
        """Raises BadToken for a token that was taken out of its Secret."""
        name = private.secret.name if private.secret is not None else ""
        found = self._lookup("secrets", private.namespace, name) or {}
        held: str = (found.get("data") or {}).get("token", "")
        if not hmac.compare_digest(held.encode(), base64.b64encode(token.encode())):
            raise BadToken("Token does not match server's copy")

    def _user(self, claims: Claims, at: float) -> User:
        private = claims.private
        namespace, account = private.namespace, private.serviceaccount
        self._check("serviceaccounts", namespace, account, at)
        extra: dict[str, tuple[str, ...]] = {}
        if claims.jti:
            extra[_CREDENTIAL] = (f"JTI={claims.jti}",)
        if private.secret is not None:
            self._check("secrets", namespace, private.secret, at)
        if private.pod is not None:
            self._check("pods", namespace, private.pod, at)
            extra |= {_POD_NAME: (private.pod.name,), _POD_UID: (private.pod.uid,)}
        if private.node is not None:
            if private.pod is None:
                self._check("nodes", "", private.node, at)
            extra |= {_NODE_NAME: (private.node.name,), _NODE_UID: (private.node.uid,)}
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
        return User(f"{PREFIX}{namespace}:{account.name}", groups, account.uid, extra)

    def _check(self, plural: str, namespace: str, reference: Reference, at: float) -> None:
        """Raises BadToken when the object is not there any more."""
        found = self._lookup(plural, namespace, reference.name)
        if found is None:
            raise BadToken(f"{plural} {reference.name} is gone")
        metadata = found["metadata"]
        if reference.uid and metadata.get("uid") != reference.uid:
            raise BadToken(f"{plural} {reference.name} is another one now")
        deleted = metadata.get("deletionTimestamp")
        if deleted and parse_time(deleted).timestamp() + _DELETION_LEEWAY < at:
            raise BadToken(f"{plural} {reference.name} has been deleted")
