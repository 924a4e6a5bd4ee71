"""What the API serves: one file per kind, and what all kinds share (metadata rules, tables, discovery documents).

May be imported by the rest of engine.apiserver. Pure: no I/O, no clock, no asyncio; time and state come in by `Context`.
"""
