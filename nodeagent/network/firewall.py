"""Openings in the machine's own firewall.

An accept in our table cannot overrule another table that drops whatever it does not know (docker and ufw do so for
forwarded packets). There, and only there, we put rules of ours in front, marked by their comment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nodeagent.network.layout import BRIDGE, TABLE, Layout
from nodeagent.network.nft.kernel import Nft

COMMENT = "pilothouse"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignChain:
    family: str
    table: str
    name: str
    hook: str
    ours: tuple[int, ...] = ()
    """Handles of the rules of ours in it."""

    def __str__(self) -> str:
        return f"{self.family} {self.table} {self.name}"


def strict_chains(base_chains: Sequence[Mapping[str, Any]]) -> list[ForeignChain]:
    """Chains of others that drop forwarded or incoming IPv4 packets unless a rule accepts them."""
    return [
        ForeignChain(family=c["family"], table=c["table"], name=c["name"], hook=c["hook"])
        for c in base_chains
        if c.get("policy") == "drop"
        and c.get("hook") in {"forward", "input"}
        and c["family"] in {"ip", "inet"}
        and (c["family"], c["table"]) != ("ip", TABLE)
    ]


def wanted_rules(hook: str, layout: Layout) -> tuple[str, ...]:
    """What a strict chain has to let through: pods' traffic, and pods' way to DNS and the API on this machine."""
    if hook == "input":
        return (f'iifname "{BRIDGE}" ip daddr {layout.gateway} accept',)
    return (f"ip saddr {layout.cluster_cidr} accept", f"ip daddr {layout.cluster_cidr} accept")


def opening(chain: ForeignChain, layout: Layout) -> str:
    """The nft text that puts our rules in front of a strict chain; empty when they are there."""
    rules = wanted_rules(chain.hook, layout)
    if len(chain.ours) == len(rules):
        return ""
    lines = [f"delete rule {chain} handle {handle}\n" for handle in chain.ours]
    lines += [f'insert rule {chain} {rule} comment "{COMMENT}"\n' for rule in rules]
    return "".join(lines)


def closing(chain: ForeignChain) -> str:
    return "".join(f"delete rule {chain} handle {handle}\n" for handle in chain.ours)


async def ensure_openings(nft: Nft, layout: Layout) -> list[str]:
    """Open what is strict; the answer names the chains that had to change. Raises CommandFailed."""
    changed: list[str] = []
    for chain in await _with_ours(nft):
        text = opening(chain, layout)
        if text:
            await nft.apply(text)
            changed.append(str(chain))
    return changed


async def remove_openings(nft: Nft) -> None:
    for chain in await _with_ours(nft):
        text = closing(chain)
        if text:
            await nft.apply(text)


async def _with_ours(nft: Nft) -> list[ForeignChain]:
    chains: list[ForeignChain] = []
    for chain in strict_chains(await nft.base_chains()):
        rules = await nft.rules(chain.family, chain.table, chain.name)
        ours = tuple(rule["handle"] for rule in rules if rule.get("comment") == COMMENT)
        chains.append(ForeignChain(family=chain.family, table=chain.table, name=chain.name, hook=chain.hook, ours=ours))
    return chains
