"""Kubelet, kube-proxy, cluster DNS and stats in one small process on each machine."""
