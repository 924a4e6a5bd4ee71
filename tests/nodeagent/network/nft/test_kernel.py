from nodeagent.network.nft.kernel import parse
from nodeagent.network.nft.table import Chain, Container

LISTED = [
    {"metainfo": {"version": "1.0.6", "json_schema_version": 1}},
    {"table": {"family": "ip", "name": "pilothouse", "handle": 1}},
    {"set": {"name": "cluster-ips", "type": "ipv4_addr", "elem": ["10.43.0.1"]}},
    {"set": {"name": "hairpin", "type": ["ipv4_addr", "ipv4_addr"], "elem": [{"concat": ["10.0.0.1", "10.0.0.1"]}]}},
    {
        "set": {
            "name": "aff/x",
            "type": "ipv4_addr",
            "size": 65535,
            "flags": ["timeout"],
            "timeout": 60,
            "elem": [{"elem": {"val": "10.42.1.3", "timeout": 60, "expires": 55}}],
        }
    },
    {
        "map": {
            "name": "services",
            "type": ["ipv4_addr", "inet_proto", "inet_service"],
            "map": "verdict",
            "elem": [
                [{"concat": ["10.43.0.1", "tcp", 443]}, {"goto": {"target": "svc/default/web/tcp/443"}}],
                [{"concat": ["10.43.0.2", "udp", 53]}, {"drop": None}],
            ],
        }
    },
    {"chain": {"name": "svc/default/web/tcp/443", "handle": 5}},
    {"chain": {"name": "prerouting", "type": "nat", "hook": "prerouting", "prio": -100, "policy": "accept"}},
    {"rule": {"chain": "prerouting", "handle": 8, "comment": "8bf96929", "expr": []}},
    {"rule": {"chain": "prerouting", "handle": 9, "expr": []}},
]


def test_a_listing_becomes_the_table_that_would_have_made_it() -> None:
    table = parse(LISTED)
    assert table.containers == {
        "cluster-ips": Container("ipv4_addr"),
        "hairpin": Container("ipv4_addr . ipv4_addr"),
        "aff/x": Container("ipv4_addr", 60),
        "services": Container("ipv4_addr . inet_proto . inet_service : verdict"),
    }
    assert table.elements == {
        ("cluster-ips", "10.43.0.1"): "",
        ("hairpin", "10.0.0.1 . 10.0.0.1"): "",
        ("services", "10.43.0.1 . tcp . 443"): "goto svc/default/web/tcp/443",
        ("services", "10.43.0.2 . udp . 53"): "drop",
    }


def test_rules_are_known_by_their_comment_and_others_match_nothing() -> None:
    table = parse(LISTED)
    hook = "type nat hook prerouting priority -100; policy accept"
    assert table.chains == {"svc/default/web/tcp/443": Chain(()), "prerouting": Chain(("8bf96929", "foreign"), hook)}
    assert table.chains["prerouting"] != Chain.of("jump dispatch", hook=hook)
