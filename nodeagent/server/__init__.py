"""The HTTPS server that the engine calls: the kubelet's own paths for logs, exec, attach, statistics."""
