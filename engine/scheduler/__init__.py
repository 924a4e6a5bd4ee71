"""Places pods on machines: filters and scores as pure functions in a table."""
