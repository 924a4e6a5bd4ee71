"""Parts that a cluster can do without: manifests beside this file, applied and removed on request."""
