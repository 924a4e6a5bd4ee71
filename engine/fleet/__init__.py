"""Machines over SSH: join, link, check, remove. Knows the API client and SSH, nothing else of the engine."""
