"""The kinds of authorization.k8s.io: questions about what somebody may do. Nothing of it is stored."""
