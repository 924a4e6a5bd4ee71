"""The only place that speaks gRPC to containerd."""
