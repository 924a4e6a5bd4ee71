"""Pod network, service rules and cluster DNS of this machine: what a CNI set-up, kube-proxy and CoreDNS do elsewhere.

What the kernel should hold (`services.rules`, `routes`, `firewall`) and what a name means (`dns.zone`) are pure
functions of the cluster's Services, EndpointSlices and Nodes. Thin adapters around `nft`, `ip` and netlink make it
so. Only `run` wires them together; `nodeagent.main` starts `run.run_network`. Nothing here knows pods or containers.

Services and network policies are parts of one nft table, which `nft.keeper` keeps as they ask for it: a change of one
Service, of one policy or of one pod's labels is a handful of elements.
"""
