"""What the engine, the node agent and the TUI share. Imports none of them."""
