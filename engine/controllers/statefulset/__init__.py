"""StatefulSets: pods with names and claims that stay. Pure, but for `controller`, which reads the caches."""
