"""What each pod needs next (pure), and the tasks that do it."""
