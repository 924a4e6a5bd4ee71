"""Deployments: rolling out templates by way of ReplicaSets. Pure, but for `controller`, which reads the caches."""
