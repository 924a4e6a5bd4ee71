"""Listening sockets on addresses of the bridge."""

import socket

IP_FREEBIND = 15
"""Linux: bind an address that this machine will only have later, or has lost for a moment."""


def bound_socket(kind: socket.SocketKind, address: str, port: int) -> socket.socket:
    """An IPv4 socket on an address that need not be there yet. Raises OSError."""
    bound = socket.socket(socket.AF_INET, kind)
    try:
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_IP, IP_FREEBIND, 1)
        if kind == socket.SOCK_STREAM:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
    except OSError:
        bound.close()
        raise
    return bound
