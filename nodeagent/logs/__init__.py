"""Log files of containers: reading them as `kubectl logs` asks, and rotating them."""
