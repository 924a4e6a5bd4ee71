"""What can go wrong on the way to the API server, apart from its own answers (objects.errors.StatusError)."""


class ConnectionFailed(OSError):
    """The server could not be reached, or the connection broke before the answer was whole.

    The message names the server and the cause. Whether a write took effect is unknown.
    """


class KubeconfigError(ValueError):
    """A kubeconfig is missing, unreadable or inconsistent; the message names the file and the field."""
