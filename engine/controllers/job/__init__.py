"""Jobs: pods that run to an end, each end counted once. Pure, but for `controller`, which reads the caches."""
