"""Where objects live: the Store protocol and its implementations. Knows bytes and revisions, not Kubernetes kinds."""
