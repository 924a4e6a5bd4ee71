"""Options that say which OpenID provider vouches for people, named as upstream's flags."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--oidc-issuer-url", default="", metavar="URL", help="Whose ID tokens say who people are."),
    click.option("--oidc-client-id", default="", help="The audience that the tokens must be for."),
    click.option("--oidc-ca-file", type=click.Path(path_type=Path), help="Who vouches for the issuer's certificate."),
    click.option("--oidc-username-claim", default="sub", show_default=True, help="The claim that names the user."),
    click.option("--oidc-username-prefix", default="", help="Before each name; `-` for none. [default: ISSUER#]"),
    click.option("--oidc-groups-claim", default="", help="The claim that names the user's groups."),
    click.option("--oidc-groups-prefix", default="", help="Before the name of each group."),
    click.option("--oidc-required-claim", "oidc_required_claims", multiple=True, metavar="KEY=VALUE",
                 help="What a token must claim besides."),
    click.option("--oidc-signing-algs", default="RS256", show_default=True, help="Algorithms, set apart by commas."),
)  # fmt: skip


def oidc_options(command: F) -> F:
    """Add them to a command, which hands them to `oidc_in`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def oidc_in(values: dict[str, Any]) -> dict[str, Any]:
    """The fields of EngineConfig. Raises click.BadParameter."""
    claims: dict[str, str] = {}
    for text in values["oidc_required_claims"]:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--oidc-required-claim")
        claims[name] = value
    algorithms = tuple(part.strip() for part in values["oidc_signing_algs"].split(",") if part.strip())
    return {**values, "oidc_required_claims": claims, "oidc_signing_algs": algorithms}
