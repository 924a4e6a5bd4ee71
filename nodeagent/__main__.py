"""``python -m nodeagent --config FILE`` runs the agent; ``python -m nodeagent enrol ...`` makes its keys."""

from __future__ import annotations

import sys


def main(arguments: list[str]) -> int:
    # Each way imports only what it needs: the running agent carries no key-making code in its memory.
    if arguments[:1] == ["enrol"]:
        from nodeagent import enrol

        return enrol.main(arguments[1:])
    from nodeagent.thrift import be_thrifty

    be_thrifty()
    from nodeagent import main as agent

    return agent.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
