"""Runs controllers and the scheduler: caches, queues of keys, observe, plan, apply. Once, for all of them.

`engine.runtime.controllers.run_controllers` and `engine.runtime.scheduling.run_scheduler` are what `engine.main` starts.
"""
