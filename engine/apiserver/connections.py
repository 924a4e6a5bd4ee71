"""Connections that clients hold: how many, and how long one may take to say what it wants."""

from __future__ import annotations

import asyncio
import logging
import resource
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

log = structlog.get_logger(__name__)

_LONGEST_LINE = 64 << 10
_KEPT_DESCRIPTORS = 128
_LARGEST_LIMIT = 16384


def allow_descriptors() -> int:
    """Take all the file descriptors that the system lets us have; how many connections that leaves for clients."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _LARGEST_LIMIT if hard == resource.RLIM_INFINITY else min(hard, _LARGEST_LIMIT)
    if soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError) as error:
            # macOS has a lower bound of its own.
            log.info("file descriptor limit stays", limit=soft, reason=str(error))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    # The store, the links to the machines and the answers of webhooks need some as well.
    return max(soft - _KEPT_DESCRIPTORS, soft // 2)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client may take, in seconds."""

    first_request: float = 32.0
    """To the end of the first request's headers; upstream's ReadHeaderTimeout."""
    body: float = 60.0
    """To send a body; upstream's limit for a whole request."""
    answer: float = 60.0
    """To read a long answer."""


class Server(web.Server):
    """Makes a `_Connection` for each client."""

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], limit: int) -> None:
        super().__init__(handler)
        self.limit = limit
        self.refusing = False
        self.patience = Patience()
        self.options: dict[str, Any] = {
            "access_log": None,
            "auto_decompress": False,
            "keepalive_timeout": 120.0,
            "logger": _logger(),
            "max_field_size": _LONGEST_LINE,
            "max_line_size": _LONGEST_LINE,
        }

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=asyncio.get_running_loop(), **self.options)

    async def finish(self, seconds: float) -> None:
        """Close what is idle and let requests under way come to their end, the rest of their bodies included."""
        ends = asyncio.get_running_loop().time() + seconds
        while busy := [one for one in self.connections if isinstance(one, _Connection) and one.busy]:
            for connection in set(self.connections) - set(busy):
                connection.close()
            if asyncio.get_running_loop().time() > ends:
                return
            await asyncio.sleep(0.02)


class _Connection(web.RequestHandler):
    __slots__ = ("_patience", "_server")

    def __init__(self, server: Server, **options: Any) -> None:
        super().__init__(server, **options)
        self._server = server
        self._patience: asyncio.TimerHandle | None = None

    @property
    def busy(self) -> bool:
        return self._current_request is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        server = self._server
        crowded = len(server.connections) > server.limit
        if crowded != server.refusing:
            server.refusing = crowded
            if crowded:
                log.warning("too many connections; refusing new ones", limit=server.limit)
        if crowded:
            self.force_close()
            return
        self._patience = asyncio.get_running_loop().call_later(server.patience.first_request, self._give_up)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._patience is not None:
            self._patience.cancel()
        super().connection_lost(exc)

    def _give_up(self) -> None:
        """End a connection whose first request never came to the end of its headers."""
        if not self._request_count:
            self.force_close()


def _logger() -> logging.Logger:
    """Where aiohttp complains. That somebody sent nonsense is no trouble of ours, so it is not told."""
    logger = logging.getLogger("engine.http")
    if not any(isinstance(known, _Ours) for known in logger.filters):
        logger.addFilter(_Ours())
    return logger


class _Ours(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, HttpProcessingError | ConnectionError)
