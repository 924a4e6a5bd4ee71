"""Runs controllers and the scheduler: caches, queues of keys, observe, plan, apply. Once, for all of them.

`engine.main` starts `controllers.run_controllers` and `scheduling.run_scheduler`.
"""
