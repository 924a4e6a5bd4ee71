"""Settings that must stand before the large libraries load: each is worth megabytes on a small machine."""

from __future__ import annotations

import ctypes
import os

_M_TRIM_THRESHOLD, _M_ARENA_MAX = -1, -8
"""mallopt(3), from glibc's malloc.h."""


def be_thrifty() -> None:
    """Call once, first thing."""
    # The agent trusts the cluster's own authority and no other: the system's hundred and more certificates, which
    # aiohttp loads on import, would lie in memory for nothing.
    os.environ["SSL_CERT_FILE"] = os.devnull
    os.environ["SSL_CERT_DIR"] = "/nonexistent"
    # grpc's fork handlers get in the way of the subprocesses that the network part starts; nothing else here forks.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        # One heap for all threads, given back when it shrinks: grpc's threads would each keep one of their own.
        libc.mallopt(_M_ARENA_MAX, 1)
        libc.mallopt(_M_TRIM_THRESHOLD, 128 * 1024)
