"""Pod Security Admission: the levels privileged, baseline and restricted, chosen by a namespace's labels.

May be imported by `engine.apiserver.admission`. `policy.py`, `checks.py` and `evaluation.py` are pure; `plugin.py` says
what a write is answered.
"""
