"""Asyncio helpers that know no Kubernetes: tasks with owners, queues, back-off, clocks."""
