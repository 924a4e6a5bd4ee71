"""Reusable widgets; no knowledge of particular kinds."""
