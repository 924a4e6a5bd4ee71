"""The engine's own key in authorized_keys, good for the link's two ports and a guard script, and for nothing else."""

from __future__ import annotations

from engine.fleet import journal
from engine.fleet.ssh.connection import Connection
from engine.fleet.steps.step import Joining

GUARD = "/opt/pilothouse/link-guard"
NOTES = "/var/lib/pilothouse/link"
"""Where the guard notes whose the port is; the login user's own."""
API_PORT = 6443
AGENT_PORT = 10250

# Whoever holds the key gets this program and no other. It ends the session that held the link before (one whose
# network died may keep the port for hours), remembers its own, and stays until the connection goes.
GUARD_SCRIPT = """\
#!/bin/sh
# Installed by Pilothouse: guards the link's port on this machine.
session=$PPID
born() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20; }
file=/var/lib/pilothouse/link/session
if read -r last when 2>/dev/null < "$file" && [ "$last" != "$session" ] && [ "$(born "$last")" = "$when" ]; then
  case $(cat "/proc/$last/comm") in sshd*) kill "$last" ;; esac
  n=0
  while [ "$(born "$last")" = "$when" ] && [ $n -lt 50 ]; do n=$((n + 1)); sleep 0.1; done
fi
echo "$session $(born "$session")" > "$file"
echo ready
cat > /dev/null
read -r last when < "$file" && [ "$last" = "$session" ] && rm -f "$file"
"""

# Arguments: line. Run as the login user; says whether the file was there before.
_ADD = """
set -e; umask 077
mkdir -p "$HOME/.ssh"; file=$HOME/.ssh/authorized_keys
if [ -e "$file" ]; then echo there; else echo new; fi
grep -qxF -- "$1" "$file" 2>/dev/null && exit 0
if [ -s "$file" ] && [ -n "$(tail -c 1 "$file")" ]; then echo >> "$file"; fi
printf '%s\\n' "$1" >> "$file"
"""


# Arguments: line. The file keeps its owner, mode and links.
_REMOVE = """
file=$HOME/.ssh/authorized_keys; [ -f "$file" ] || exit 0
kept=$(grep -vxF -- "$1" "$file"; printf x)
printf '%s' "${kept%x}" > "$file"
"""


class LinkKey:
    name = "link"
    title = "Let the engine's link in"

    async def check(self, joining: Joining) -> bool:
        connection = joining.site.connection
        if not await joining.site.holds(GUARD, GUARD_SCRIPT.encode()):
            return False
        if (await joining.site.run(["stat", "-c", "%U", NOTES], check=False)).text != connection.hop.user:
            return False
        lines = [(connection, authorized_line(joining.link_key)), *hop_lines(connection, joining.link_key)]
        return all([await _authorized(where, line) for where, line in lines])

    async def apply(self, joining: Joining) -> None:
        site, connection = joining.site, joining.site.connection
        await site.put(GUARD, GUARD_SCRIPT.encode(), mode="0755")
        await site.run(["install", "-d", "-m", "0700", "-o", connection.hop.user, NOTES])
        line = authorized_line(joining.link_key)
        home = (await connection.run(["sh", "-c", 'printf %s "$HOME"'])).text
        path = f"{home}/.ssh/authorized_keys"
        created = (await connection.run(["test", "-e", path], check=False)).status != 0
        await site.record(journal.LineAdded(path=path, line=line, user=connection.hop.user, created=created))
        await connection.run(["sh", "-c", _ADD, "sh", line])
        for hop, through in hop_lines(connection, joining.link_key):
            await hop.run(["sh", "-c", _ADD, "sh", through])


def authorized_line(public_key: str) -> str:
    """The key with what it may do: one listening port, one port to reach, the guard."""
    allowed = f'restrict,port-forwarding,permitopen="127.0.0.1:{AGENT_PORT}",permitlisten="127.0.0.1:{API_PORT}"'
    return f'{allowed},command="{GUARD}" {public_key}'


def hop_lines(connection: Connection, public_key: str) -> list[tuple[Connection, str]]:
    """For each machine before this one: the line that lets the link pass through to the next, and do nothing else."""
    lines: list[tuple[Connection, str]] = []
    after = connection
    while (hop := after.before) is not None:
        # There is no word for "may listen nowhere" here; a port that only root may take comes close.
        allowed = f'restrict,port-forwarding,permitopen="{after.hop.address}",permitlisten="127.0.0.1:1"'
        lines.append((hop, f'{allowed},command="false" {public_key}'))
        after = hop
    return lines


async def withdraw_from_hops(connection: Connection, public_key: str) -> None:
    """Take the lines of `hop_lines` out again."""
    for hop, line in hop_lines(connection, public_key):
        await hop.run(["sh", "-c", _REMOVE, "sh", line], check=False)


async def _authorized(connection: Connection, line: str) -> bool:
    script = 'grep -qxF -- "$1" "$HOME/.ssh/authorized_keys"'
    return (await connection.run(["sh", "-c", script, "sh", line], check=False)).status == 0
