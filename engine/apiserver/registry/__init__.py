"""What the API serves: one file per kind, and what all kinds share (metadata rules, tables).

May be imported by the rest of engine.apiserver. Pure: no I/O, no asyncio; time and state come in by `Context`.
"""
