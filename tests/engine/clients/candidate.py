"""A candidate for leadership, as programs with the official Python client are: `candidate.py LOCK IDENTITY`.

Run as a process of its own by test_leader_election.py.
"""

import logging
import sys
import time

from kubernetes import config
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.configmaplock import ConfigMapLock
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock

LOCKS = {"configmap": ConfigMapLock, "lease": LeaseLock}


def main(kind: str, identity: str) -> None:
    logging.basicConfig(level=logging.INFO)
    config.load_kube_config()

    def lead() -> None:
        print(f"{identity} leads", flush=True)  # noqa: T201
        while True:
            time.sleep(1)

    leaderelection.LeaderElection(
        electionconfig.Config(
            LOCKS[kind]("crown", "default", identity),
            lease_duration=4,
            renew_deadline=3,
            retry_period=1,
            onstarted_leading=lead,
            onstopped_leading=lambda: print(f"{identity} lost it", flush=True),  # noqa: T201
        )
    ).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
