"""Why something is not well: rules from what the cluster says to one plain sentence, its evidence and the next step.

`case` is what rules read, `rules` the table of all of them, `view` how findings look. Nothing here asks the server.
"""
