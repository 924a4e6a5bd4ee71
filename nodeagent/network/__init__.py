"""Pod network, service rules and cluster DNS of this machine: what a CNI set-up, kube-proxy and CoreDNS do elsewhere.

What the kernel should hold (`services.rules`, `routes`, `firewall`) and what a name means (`dns.zone`) are pure
functions of the cluster's Services, EndpointSlices and Nodes. Thin adapters around `nft`, `ip` and netlink make it
so. Only `run` wires them together; `nodeagent.main` starts `run.run_network`. Nothing here knows pods or containers.

Network policies will stand beside the services: a set of chains per policy in the same table, entered from a
`forward` base chain through two verdict maps from pod address to chain, assembled by the same
`nft.assembly.Assembly` with one fragment for each policy, so that a change of one policy or of one pod's labels
is again a handful of elements.
"""
