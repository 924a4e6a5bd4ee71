"""Hollow machines: nodes that only pretend, over the real API, to see how a control plane fares with many of them.

`machines` registers them and plays their agents, `load` puts pods on them and measures, `figures` says what came of it.
The command is pilothouse/commands/bench.py. Nothing else imports this.
"""
