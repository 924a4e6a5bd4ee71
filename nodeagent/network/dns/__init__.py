"""Cluster DNS on every machine: names of Services and pods from what the agent watches, everything else from outside.

`zone` says what a name means (pure), `wire` and `message` speak the format, `upstream` asks others, `server` listens.
The rules are those of the Kubernetes DNS-Based Service Discovery specification, version 1.1.0.
"""
