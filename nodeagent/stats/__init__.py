"""What this machine has and uses."""
