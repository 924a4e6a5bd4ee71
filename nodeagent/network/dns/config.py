"""What pods find in their /etc/resolv.conf."""

from pathlib import Path
from typing import NamedTuple

from nodeagent.network.dns.upstream import RESOLV_CONF, read_resolv_conf
from nodeagent.network.layout import NetworkConfig

MAX_SEARCHES = 32


class DNSConfig(NamedTuple):
    servers: list[str]
    searches: list[str]
    options: list[str]


def dns_config(config: NetworkConfig, namespace: str = "", resolv_conf: Path = RESOLV_CONF) -> DNSConfig:
    """For pods with dnsPolicy ClusterFirst, as the kubelet sets it: the pod's own namespace is searched first.

    Without a namespace the search list starts with the domain of all Services.
    """
    domain = config.cluster_domain
    own = [f"{namespace}.svc.{domain}"] if namespace else []
    searches = [*own, f"svc.{domain}", domain, *read_resolv_conf(resolv_conf).search]
    return DNSConfig([config.cluster_dns], list(dict.fromkeys(searches))[:MAX_SEARCHES], ["ndots:5"])
