"""A pod's names: host name, /etc/hosts, resolv.conf. Pure text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from nodeagent.cri.types import Dns
from nodeagent.pods.view import Pod

MAX_SEARCHES = 32
_HEADER = "# Kubernetes-managed hosts file.\n"
_HEADER_HOST = "# Kubernetes-managed hosts file (host network).\n"
_LOCAL = (
    "127.0.0.1\tlocalhost\n"
    "::1\tlocalhost ip6-localhost ip6-loopback\n"
    "fe00::0\tip6-localnet\n"
    "fe00::0\tip6-mcastprefix\n"
    "fe00::1\tip6-allnodes\n"
    "fe00::2\tip6-allrouters\n"
)


class ClusterNames(Protocol):
    """What of the settings names depend on."""

    @property
    def cluster_domain(self) -> str: ...

    @property
    def cluster_dns(self) -> str: ...


def host_name(pod: Pod, domain: str) -> str:
    """What the pod calls itself; the kernel takes at most 63 characters."""
    name = pod.spec.hostname or pod.metadata.name
    if pod.spec.set_hostname_as_fqdn:
        suffix = host_domain(pod, domain)
        return f"{name}.{suffix}" if suffix else name
    return name[:63].rstrip("-.")


def host_domain(pod: Pod, domain: str) -> str:
    """The domain of a pod with a subdomain: ``web.default.svc.cluster.local``."""
    return f"{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{domain}" if pod.spec.subdomain else ""


def hosts_file(pod: Pod, ips: Sequence[str], domain: str, machine_hosts: str) -> str:
    """The content of /etc/hosts in the pod's containers; on the machine's network it starts from the machine's own."""
    if pod.spec.host_network:
        text = _HEADER_HOST + machine_hosts
    else:
        name, suffix = host_name(pod, domain).partition(".")[0], host_domain(pod, domain)
        own = f"{name}.{suffix}\t{name}" if suffix else name
        text = _HEADER + _LOCAL + "".join(f"{ip}\t{own}\n" for ip in ips)
    if pod.spec.host_aliases:
        text += "\n# Entries added by HostAliases.\n"
        names = ((alias.ip, "\t".join(alias.hostnames)) for alias in pod.spec.host_aliases)
        text += "".join(f"{ip}\t{listed}\n" for ip, listed in names)
    return text


def pod_dns(pod: Pod, cluster: ClusterNames, machine: Dns) -> Dns:
    """The resolv.conf of a pod by its dnsPolicy and dnsConfig; `machine` is what the machine itself uses."""
    policy = pod.spec.dns_policy
    if policy == "ClusterFirst" and pod.spec.host_network:
        policy = "Default"
    domain = cluster.cluster_domain
    if policy in ("ClusterFirst", "ClusterFirstWithHostNet"):
        searches = (f"{pod.metadata.namespace}.svc.{domain}", f"svc.{domain}", domain, *machine.searches)
        base = Dns(servers=(cluster.cluster_dns,), searches=searches, options=("ndots:5",))
    elif policy == "None":
        base = Dns()
    else:
        base = machine
    extra = pod.spec.dns_config
    options = {option.partition(":")[0]: option for option in base.options}
    for option in extra.options:
        options[option.name] = option.name if option.value is None else f"{option.name}:{option.value}"
    return Dns(
        servers=_unique((*base.servers, *extra.nameservers)),
        searches=_unique((*base.searches, *extra.searches))[:MAX_SEARCHES],
        options=tuple(options.values()),
    )


def parse_resolv_conf(text: str) -> Dns:
    """The machine's own resolver settings; of several search lines the last counts."""
    servers: list[str] = []
    searches: tuple[str, ...] = ()
    options: list[str] = []
    for line in text.splitlines():
        words = line.split("#", 1)[0].split()
        if len(words) < 2:
            continue
        if words[0] == "nameserver":
            servers.append(words[1])
        elif words[0] in ("search", "domain"):
            searches = tuple(word for word in words[1:] if word != ".")
        elif words[0] == "options":
            options.extend(words[1:])
    return Dns(servers=tuple(servers), searches=searches, options=tuple(options))


def _unique(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))
