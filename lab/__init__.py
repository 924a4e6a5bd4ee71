"""Machines made of Linux namespaces on this computer, a registry beside them, and the small images they run.

Needs root and Linux. Knows nothing of Kubernetes, the engine or the agent: to whoever joins them these machines are
Debian computers that answer SSH. Only the `lab` command puts them together with the fleet.
"""
