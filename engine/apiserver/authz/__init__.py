"""Who may do what: roles and their bindings, the rules for nodes, and the questions that clients may ask about both.

The pipe asks `union.Union` for every request. Nothing here knows HTTP or how a user was recognised.
"""
