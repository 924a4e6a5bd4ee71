"""Group metrics.k8s.io: kinds that are measured when somebody asks, and stored nowhere."""
