"""The agent's Python environment in /opt/pilothouse, one folder a version, `current` pointing at the one that runs."""

from __future__ import annotations

import hashlib

from engine.fleet.bundle import Bundle, Platform
from engine.fleet.steps.step import Joining

ROOT = "/opt/pilothouse"
PYTHON = f"{ROOT}/current/bin/python"

# Arguments: folder. Unpacks stdin there in one go: the folder exists only when all of it is there.
_UNPACK = """
set -e; umask 022
rm -rf "$1.new"; mkdir -p "$1.new"
tar -xzf - -C "$1.new" --no-same-owner
sync -f "$1.new" 2>/dev/null || true
mv "$1.new" "$1"
"""
# Arguments: Python, the version's folder, the libraries' folder. Unpacks the agent's code from stdin.
_ENVIRONMENT = """
set -e; umask 022
rm -rf "$2" "$2.new"; mkdir -p "$2.new"
"$1" -m venv --without-pip --symlinks "$2.new"
site=$(echo "$2.new"/lib/python*/site-packages)
tar -xzf - -C "$site" --no-same-owner
echo "$3" > "$site/libraries.pth"
mv "$2.new" "$2"
"$2/bin/python" -c 'import nodeagent, grpc, msgspec'
ln -sfn "$2" "$2.link"; mv -T "$2.link" /opt/pilothouse/current
"""
# Arguments: folders to keep. What else is there is from versions before the last one.
_PRUNE = """
for folder in /opt/pilothouse/agent-* /opt/pilothouse/libraries-*; do
  keep=
  for wanted; do [ "$folder" = "$wanted" ] && keep=yes; done
  [ -n "$keep" ] || rm -rf "$folder"
done
"""


class Environment:
    name = "environment"
    title = "Bring the agent and its libraries"

    async def check(self, joining: Joining) -> bool:
        libraries, agent = await _bundles(joining)
        wanted = _agent_folder(agent, libraries)
        current = await joining.site.run(["readlink", f"{ROOT}/current"], check=False)
        return current.text == wanted and await joining.site.succeeds(PYTHON, "-c", "import nodeagent, grpc, msgspec")

    async def apply(self, joining: Joining) -> None:
        site = joining.site
        libraries, agent = await _bundles(joining)
        libraries_folder = f"{ROOT}/libraries-{libraries.version}"
        agent_folder = _agent_folder(agent, libraries)
        before = await site.run(["readlink", f"{ROOT}/current"], check=False)
        if not await site.succeeds("test", "-d", libraries_folder):
            await site.run(
                ["sh", "-c", _UNPACK, "sh", libraries_folder], stdin=libraries.path.read_bytes(), timeout=900
            )
        await site.run(
            ["sh", "-c", _ENVIRONMENT, "sh", site.facts.python, agent_folder, libraries_folder],
            stdin=agent.path.read_bytes(),
            timeout=300,
        )
        await site.script(_PRUNE, libraries_folder, agent_folder, before.text or agent_folder)


async def _bundles(joining: Joining) -> tuple[Bundle, Bundle]:
    libraries = await joining.bundles.libraries(Platform.of(joining.site.facts))
    return libraries, await joining.bundles.agent()


def _agent_folder(agent: Bundle, libraries: Bundle) -> str:
    """Named by both layers: new libraries under the same code are a new environment."""
    both = hashlib.sha256(f"{agent.version} {libraries.version}".encode()).hexdigest()[:16]
    return f"{ROOT}/agent-{both}"
