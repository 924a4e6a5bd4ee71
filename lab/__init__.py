"""Machines made of Linux namespaces on this computer. Knows nothing of Kubernetes."""
