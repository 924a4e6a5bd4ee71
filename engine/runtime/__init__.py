"""Runs controllers: informers, queues of keys, observe, plan, apply. Once, for all of them."""
