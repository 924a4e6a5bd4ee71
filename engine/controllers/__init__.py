"""One module per controller: the views it reads, what it observed, and a pure plan(observed) -> actions."""
