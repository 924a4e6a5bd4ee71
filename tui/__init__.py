"""The terminal app: a Kubernetes client with no private door."""
