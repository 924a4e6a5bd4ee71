"""Admission that users add: webhooks and policies in CEL. Costs nothing while there are none.

May be imported by `engine.apiserver`. `rules.py`, `review.py` and `policies.py` are pure; `calling.py` is the network.
"""
