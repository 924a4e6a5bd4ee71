"""What others need to verify our tokens without asking us: the OpenID configuration and the key set."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from engine.apiserver.authn.accounts import AccountTokens
from engine.apiserver.request import JSON, Response

CONFIGURATION = "/.well-known/openid-configuration"
KEYS = "/openid/v1/jwks"
_HEADERS = {"cache-control": "public, max-age=3600"}


def pages(tokens: AccountTokens) -> Mapping[str, Callable[[], Response]]:
    """The documents by their paths. Source: pkg/serviceaccount/openidmetadata.go."""
    configuration = msgspec.json.encode({
        "issuer": tokens.issuer,
        "jwks_uri": f"{tokens.issuer}{KEYS}",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    })  # fmt: skip
    keys = msgspec.json.encode(tokens.key.key_set())
    return {
        CONFIGURATION: lambda: Response(200, configuration, JSON, _HEADERS),
        KEYS: lambda: Response(200, keys, "application/jwk-set+json", _HEADERS),
    }
