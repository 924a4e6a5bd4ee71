"""Colour themes: data only."""
