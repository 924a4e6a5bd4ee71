"""Admission that users add: webhooks and policies in CEL. Costs nothing while there are none.

May be imported by `engine.apiserver`. `calling.py` is the network, `parameters.py` looks into the store; all but
these and `admission.py` is pure.
"""
