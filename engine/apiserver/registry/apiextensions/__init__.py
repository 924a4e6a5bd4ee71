"""apiextensions.k8s.io: kinds that users define. What becomes of them is in engine.apiserver.custom."""
