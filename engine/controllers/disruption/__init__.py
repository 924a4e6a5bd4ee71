"""PodDisruptionBudgets: how many pods may be taken away on purpose. Pure, but for `controller`."""
