"""The Common Expression Language as Kubernetes speaks it: rules of custom kinds, match conditions, policies.

Evaluation is the `cel` library's. Its language lacks some of what Kubernetes adds; `rewriting.py` says it in words that
the library has, `functions.py` brings the functions. Loaded when the first expression comes along.
"""
