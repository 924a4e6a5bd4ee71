"""Flow control: which FlowSchema a request belongs to, and whether its priority level has a seat for it.

Upstream calls it API Priority and Fairness. Every request passes here, so what a kind of request from a user belongs to
is remembered until somebody changes the configuration. May be imported by the HTTP server; knows no kind but its own.
"""
