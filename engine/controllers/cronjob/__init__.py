"""CronJobs: Jobs on a schedule. Pure, but for `controller`, which reads the caches."""
