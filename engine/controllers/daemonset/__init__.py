"""DaemonSets: one pod on every machine that takes it. Pure, but for `controller`, which reads the caches."""
