"""Ways into the cluster: requests that others answer are passed on to machines, pods and Services.

The engine stands outside of the machines' network, so every way goes through the agent of a machine. May be imported by
the rest of `engine.apiserver`; knows the store only to look up where things are. `locating.py` and `headers.py` are
pure; `backends.py` opens connections, `forwarding.py` carries requests over them.
"""
