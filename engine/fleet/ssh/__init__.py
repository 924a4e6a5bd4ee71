"""The one place that speaks SSH: asyncssh behind connections that know hosts, privilege and one-line reasons.

Host keys are strict. A key counts as known when it is pinned by us, or else stands in the user's known_hosts (read,
never written); an unknown key is refused with HostKeyUnknown, which carries it for a person to confirm. Every hop of
a jump is opened here, so the same rule holds for each of them. Secrets travel on stdin, never in an argument list.
Nothing outside this package imports asyncssh.
"""
