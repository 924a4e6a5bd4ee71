"""Garbage for the API server, run by scripts/fuzz and, with a fixed seed, by the tests.

A case follows from its seed and number alone, so a finding can be had again. What to ask of the server is read from the
OpenAPI documents that it serves; `seeds.yaml` holds one valid object of most kinds to damage.
"""
