"""A Kubernetes control plane in one asyncio process. Only engine.main wires its parts together."""
