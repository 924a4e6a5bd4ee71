"""The kinds of authentication.k8s.io: questions about who somebody is. Nothing of it is stored."""
