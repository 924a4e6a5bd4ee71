"""Kinds that users define: from a CustomResourceDefinition to a Kind that the request pipe serves like any other.

May be imported by `engine.apiserver`; knows the store only in `table.py`, `lifecycle.py`, `converter.py` and
`watching.py`; `converter.py` asks webhooks. All else is pure.
"""
