"""Ending pods before the machine runs out of what they share: what counts as too little, who goes first, and why."""
