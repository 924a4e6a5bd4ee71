"""The keys, once: one key means one thing on every screen. Bindings, hints and help are made from these."""

from dataclasses import dataclass

from textual.binding import Binding

from tui.kinds.lens import Action


@dataclass(frozen=True, slots=True)
class Key:
    """`keys` as Textual names them, `label` as people read it, `word` for the hint bar, `help` for the help page."""

    keys: str
    label: str
    word: str
    help: str

    def binding(self, action: str, *, first: bool = False) -> Binding:
        """`first`: acts before any key typed after it is handed out, so that typing ahead works."""
        return Binding(self.keys, action, self.help, show=False, key_display=self.label, priority=first, id=NAMES[self])


ACTION_KEYS: dict[Action, Key] = {
    Action.LOGS: Key("l", "l", "logs", "Follow the logs of the pod, or of all pods it stands for"),
    Action.PREVIOUS: Key("p", "p", "previous", "Logs of the containers' previous run"),
    Action.SHELL: Key("s", "s", "shell", "Open a shell in a container"),
    Action.ROLLOUT: Key("R", "R", "rollout", "Rollout: progress, history, diff, undo, pause"),
    Action.RESTART: Key("r", "r", "restart", "Restart: replace all pods, a few at a time"),
    Action.SCALE: Key("S", "S", "scale", "Scale to another number of replicas"),
    Action.IMAGE: Key("i", "i", "image", "Set the image of a container"),
    Action.DESCRIBE: Key("d", "d", "describe", "Describe: state, conditions, events, live"),
    Action.YAML: Key("y", "y", "yaml", "The object as YAML, live"),
    Action.WHY: Key("w", "w", "why?", "Why is it not well: verdict, evidence, what to do next"),
    Action.EDIT: Key("e", "e", "edit", "Edit as YAML; the server checks it and the difference is shown first"),
    Action.FORWARD: Key("F", "F", "forward", "Forward a local port to it; restarts and lost connections do not end it"),
    Action.FORWARDS: Key("f", "f", "forwards", "The port-forwards that stand"),
    Action.ATTACH: Key("a", "a", "attach", "Attach to the container's own process; ^] leaves it running"),
    Action.DEBUG: Key("b", "b", "debug", "Debug: a container with tools beside the one that has none"),
    Action.TRANSFER: Key("t", "t", "transfer", "Transfer files into a container or out of it"),
    Action.SANITIZE: Key("z", "z", "sanitize", "Sanitize: delete the pods that have ended"),
    Action.MACHINE: Key("m", "m", "machine", "Machine: what it uses, shell, check, upgrade, remove, join another"),
    Action.CORDON: Key("u", "u", "cordon", "Use this machine for new pods or not: cordon, uncordon"),
    Action.DRAIN: Key("D", "D", "drain", "Drain the machine: shows what will move, then moves it"),
    Action.WHATIF: Key("I", "I", "what if", "What if it is lost or drained: where its pods fit, what stands still"),
    Action.SUSPEND: Key("P", "P", "suspend", "Suspend or resume"),
    Action.TRIGGER: Key("t", "t", "trigger", "Start it now, besides its schedule"),
    Action.OWNER: Key("J", "J", "owner", "Jump to the object that owns it"),
    Action.XRAY: Key("X", "X", "x-ray", "The tree around it: owners, users, parts, what it refers to"),
    Action.NODE: Key("o", "o", "machine", "Go to the machine it runs on"),
    Action.USE: Key("u", "u", "use", "Use this namespace from now on"),
    Action.TEACH: Key("K", "K", "kubectl", "Every action here as its kubectl line"),
    Action.PIN: Key("plus", "+", "pin", "Pin this namespace: 1 to 9 then go to it, or take the pin away"),
    Action.COPY: Key("c", "c", "copy", "Copy the name"),
    Action.COPY_NAMESPACE: Key("Y", "Y", "copy ns", "Copy the name of the namespace"),
    Action.WARP: Key("W", "W", "its namespace", "Use the namespace that the row is in"),
    Action.DELETE: Key("ctrl+d", "^d", "delete", "Delete what is marked, or the row under the cursor"),
}

GENERAL_KEYS: dict[str, Key] = {
    "command": Key("colon", ":", "go to", "Go to any kind: `:deploy`, `:po kube-system`, `:svc /web`, `:po @all`"),
    "filter": Key("slash", "/", "filter", "Filter or search as you type: text, regex, !not, column:text, -l a=b"),
    "help": Key("question_mark", "?", "help", "This page"),
    "back": Key("escape,q", "Esc", "back", "Back to where you came from"),
    "all_namespaces": Key("0", "0", "all ns", "All namespaces"),
    "pinned": Key("1,2,3,4,5,6,7,8,9", "1 … 9", "pinned ns", "The pinned namespaces"),
    "namespace": Key("n", "n", "namespace", "Choose the namespace"),
    "older": Key("left_square_bracket", "[", "older", "The view before this one"),
    "newer": Key("right_square_bracket", "]", "newer", "The view after this one"),
    "last": Key("minus", "-", "last", "Swap with the last view"),
    "save": Key("ctrl+s", "^s", "save", "Save what is shown to a file; `:sd` lists these files"),
    "aliases": Key("ctrl+a", "^a", "aliases", "All kinds and their names"),
    "header": Key("ctrl+e", "^e", "header", "Show or hide the lines on top"),
    "reconnect": Key("ctrl+r", "^r", "reconnect", "Reconnect and load anew, now"),
    "themes": Key("T", "T", "theme", "Choose the colours"),
}

TABLE_KEYS: dict[str, Key] = {
    "past": Key("B", "B", "back", "Back in time: the table as it was, and what has changed since"),
}

NAMES: dict[Key, str] = {
    **{key: action.value for action, key in ACTION_KEYS.items()},
    **{key: name for name, key in (GENERAL_KEYS | TABLE_KEYS).items()},
}
"""What each is called in `keys.yaml`."""

TABLE_HELP: tuple[tuple[str, str], ...] = (
    ("↑ ↓  j k", "Move"),
    ("PgUp PgDn  ^b ^f", "Page"),
    ("g G  Home End", "First, last"),
    ("← →", "Scroll sideways"),
    ("Enter", "Go into the row"),
    ("Space", "Mark; actions then take all marked rows"),
    ("^Space  ^\\", "Mark up to here; clear marks"),
    ("Shift-← Shift-→", "Sort by the next column"),
    ("N  A  C  M  O", "Sort by name, age, CPU, memory; reverse"),
    ("^w", "Wide: more columns"),
    ("^z", "Only rows that are not well"),
    ("^p", "Command palette"),
    ("^c", "Quit"),
)
