"""The role that a word of a status plays, whatever the kind. Pure."""

from tui.rows import Column, Row
from tui.tones import Tone

_OK = frozenset(
    [
        "running",
        "ready",
        "active",
        "bound",
        "available",
        "true",
        "succeeded",
        "healthy",
        "normal",
        "established",
        "approved",
        "synced",
        "issued",
    ]
)
_WARN = frozenset(
    [
        "pending",
        "containercreating",
        "podinitializing",
        "terminating",
        "unknown",
        "warning",
        "released",
        "progressing",
        "schedulinggated",
        "evicted",
        "paused",
        "schedulingdisabled",
        "notestablished",
    ]
)
_BAD = frozenset(
    [
        "error",
        "failed",
        "crashloopbackoff",
        "imagepullbackoff",
        "errimagepull",
        "errimageneverpull",
        "invalidimagename",
        "oomkilled",
        "createcontainerconfigerror",
        "createcontainererror",
        "runcontainererror",
        "notready",
        "lost",
        "false",
        "containercannotrun",
        "deadlineexceeded",
        "nodelost",
        "unexpectedadmissionerror",
    ]
)
_QUIET = frozenset(["completed", "complete", "<none>", "<unknown>", "<unset>", "none"])


def status_tone(text: str) -> Tone:
    """`Ready,SchedulingDisabled` takes its worst part; `Init:0/2` waits, `Init:Error` is bad."""
    worst = Tone.TEXT
    for part in text.replace("Init:", "").split(","):
        tone = _word_tone(part.strip().lower())
        if _RANK[tone] > _RANK[worst]:
            worst = tone
    if worst is Tone.TEXT and text.startswith("Init:"):
        return Tone.WARN
    return worst


_RANK = {Tone.TEXT: 0, Tone.MUTED: 1, Tone.OK: 2, Tone.WARN: 3, Tone.BAD: 4}


def _word_tone(word: str) -> Tone:
    if word in _BAD or word.startswith(("err", "exitcode:", "signal:")) or word.endswith("backoff"):
        return Tone.BAD
    if word in _WARN:
        return Tone.WARN
    if word in _OK:
        return Tone.OK
    return Tone.MUTED if word in _QUIET else Tone.TEXT


def ready_tone(text: str) -> Tone:
    """`2/3`: all, some or none of what is wanted; `0/0` wants nothing."""
    have, slash, want = text.partition("/")
    if not slash or not have.isdigit() or not want.isdigit():
        return Tone.TEXT
    if int(want) == 0:
        return Tone.MUTED
    if int(have) >= int(want):
        return Tone.TEXT
    return Tone.BAD if int(have) == 0 else Tone.WARN


_STATUS_COLUMNS = frozenset({"Status", "Phase", "State", "Type"})
_QUIET_COLUMNS = frozenset({"Age", "Namespace", "Labels", "Selector", "Containers"})


def general_tone(row: Row, column: Column, text: str) -> Tone:
    """What can be said of any cell by its column's name alone."""
    del row
    if column.name in _QUIET_COLUMNS or text in ("<none>", "<unset>", "<unknown>"):
        return Tone.MUTED
    if column.name in _STATUS_COLUMNS:
        return status_tone(text)
    if column.name == "Ready":
        return ready_tone(text) if "/" in text else status_tone(text)
    if column.priority > 0:
        return Tone.MUTED
    return Tone.TEXT
