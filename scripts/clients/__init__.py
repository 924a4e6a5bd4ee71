"""Test-suites of other projects' Kubernetes clients, run against the engine."""
