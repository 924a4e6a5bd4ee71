"""Why a container ended or does not begin: exit codes, signals, the runtime's and the program's last words. Pure."""

from collections.abc import Iterator

from tui.kinds.why.case import JSON, Advice, Case, Check, Finding, Rule, finding, only
from tui.kinds.why.wording import Wording, last_lines, rules, waiting, warned

_LOOK = Advice("Read the log of the run that ended", "p", "kubectl logs{ns} {name} -c {container} --previous")
_MEMORY = Advice("Raise the memory limit, or find what takes it", "e", "kubectl set resources ... --limits=memory=...")


def _ended(case: Case) -> Iterator[tuple[JSON, JSON, JSON]]:
    """(spec, status, how it ended): the state itself, or what a container that waits or restarted ended with."""
    for spec, status in case.containers():
        state = status.get("state") or {}
        now = state.get("terminated")
        before = (status.get("lastState") or {}).get("terminated")
        if now and (now.get("exitCode") or now.get("reason") == "OOMKilled"):
            yield spec, status, now
        elif before and (state.get("waiting") or not status.get("ready")):
            yield spec, status, before


def _line(status: JSON, ended: JSON) -> str:
    times = status.get("restartCount", 0)
    return (
        f"{status['name']}: {ended.get('reason') or 'ended'}, exit code {ended.get('exitCode')}, "
        f"restarted {times} {'time' if times == 1 else 'times'}"
    )


def _last_words(case: Case, container: str) -> tuple[str, ...]:
    return tuple(f"log: {line}" for line in case.logs.get(container, ())[-3:] if line.strip())


def oom(case: Case) -> Iterator[Finding]:
    for spec, status, ended in _ended(case):
        if ended.get("reason") != "OOMKilled":
            continue
        limit = ((spec.get("resources") or {}).get("limits") or {}).get("memory", "")
        verdict = (
            "{container} was killed: it took more memory than its limit of {limit}."
            if limit
            else "{container} was killed: the machine had no memory left for it."
        )
        yield finding(case, "oom-killed", verdict, _MEMORY, _line(status, ended), container=status["name"], limit=limit)


_CODES: dict[str, tuple[tuple[int, ...], str, Advice]] = {
    "exit-completed": (
        (0,),
        "{container} ends by itself each time, with success: it is no service that stays.",
        Advice("Run it as a Job, or give it a command that stays", "e"),
    ),
    "exit-not-executable": (
        (126,),
        "{container}'s command is there but cannot be executed (no permission, or no program).",
        Advice("Correct the command or the file's mode in the image", "e"),
    ),
    "exit-not-found": (
        (127,),
        "{container}'s command was not found in the image.",
        Advice("Correct command or args", "e"),
    ),
    "exit-illegal-instruction": (
        (132,),
        "{container} used an instruction that this processor does not have (SIGILL).",
        Advice("Use an image built for this processor", "i"),
    ),
    "exit-abort": ((134,), "{container} gave itself up (SIGABRT), usually after a failed check of its own.", _LOOK),
    "exit-killed": (
        (137,),
        "{container} was killed (SIGKILL): it did not end in its grace period, or something killed it.",
        Advice("Look at the events for a failed probe or an eviction", "d", "kubectl describe pod{ns} {name}"),
    ),
    "exit-segfault": ((139,), "{container} crashed with a memory fault (SIGSEGV).", _LOOK),
    "exit-terminated": (
        (143,),
        "{container} was asked to end (SIGTERM) and did.",
        Advice("Look at the events for who asked", "d", "kubectl describe pod{ns} {name}"),
    ),
}


def exit_code(name: str) -> Check:
    codes, verdict, advice = _CODES[name]

    def check(case: Case) -> Iterator[Finding]:
        for _, status, ended in _ended(case):
            if ended.get("exitCode") in codes and ended.get("reason") != "OOMKilled":
                container = status["name"]
                evidence = (_line(status, ended), *_last_words(case, container))
                yield finding(case, name, verdict, advice, *evidence, container=container)

    return check


def exit_other(case: Case) -> Iterator[Finding]:
    known = {code for codes, *_ in _CODES.values() for code in codes}
    for _, status, ended in _ended(case):
        code = ended.get("exitCode")
        if code in known or ended.get("reason") in ("OOMKilled", "StartError", "ContainerCannotRun"):
            continue
        container = status["name"]
        evidence = (_line(status, ended), ended.get("message", ""), *_last_words(case, container))
        verdict = "{container} ends with an error of its own (exit code {code})."
        yield finding(case, "exit-error", verdict, _LOOK, *evidence, container=container, code=str(code))


def init_stuck(case: Case) -> Iterator[Finding]:
    for status in case.status.get("initContainerStatuses") or ():
        running = (status.get("state") or {}).get("running")
        seconds = case.age((running or {}).get("startedAt"))
        if running and not status.get("started") and seconds > 120:
            verdict = "The pod waits for its init container {container}, which has been running for {minutes} minutes."
            advice = Advice("See what it waits for", "l", "kubectl logs{ns} {name} -c {container}")
            yield finding(
                case, "init-running", verdict, advice, container=status["name"], minutes=str(int(seconds // 60))
            )


def _starts(case: Case) -> Iterator[tuple[str, str]]:
    yield from waiting("RunContainerError", "CreateContainerError", "CreateContainerConfigError", "CrashLoopBackOff")(
        case
    )
    for _, status, ended in _ended(case):
        if ended.get("reason") in ("StartError", "ContainerCannotRun"):
            yield status["name"], ended.get("message", "")


START_WORDINGS = (
    Wording(
        "start-executable-missing",
        r"exec: \"(?P<program>[^\"]+)\": (?:executable file not found|stat .*no such file)",
        "{container} cannot begin: its image has no program {program}.",
        Advice("Correct command or image", "e"),
    ),
    Wording(
        "start-wrong-format",
        r"exec format error",
        "{container} cannot begin: its program is for another processor, or a script without a first line #!.",
        Advice("Use an image built for this machine", "i"),
    ),
    Wording(
        "start-permission",
        r"exec.*permission denied",
        "{container} cannot begin: its program may not be executed.",
        Advice("Make the file executable in the image", "e"),
    ),
    Wording(
        "start-nonroot",
        r"runAsNonRoot and image will run as root|non-numeric user",
        "{container} may not run as root, and its image does.",
        Advice("Set securityContext.runAsUser, or use an image with a user of its own", "e"),
    ),
    Wording(
        "start-mount",
        r"(?:error mounting|not a directory|failed to create subPath|subPath)",
        "{container} cannot begin: one of its mounts cannot be made.",
        Advice("Compare volumeMounts with what the volume holds", "y", "kubectl get pod{ns} {name} -o yaml"),
    ),
    Wording(
        "start-workdir",
        r"(?:mkdir|chdir to cwd).*",
        "{container} cannot begin: its working directory is not there.",
        Advice("Correct workingDir", "e"),
    ),
)

LOG_WORDINGS = (
    Wording(
        "log-address-in-use",
        r"address already in use|EADDRINUSE",
        "{container} says that its port is taken by another program in the pod or on the machine.",
        Advice("Give containers of a pod different ports", "e"),
    ),
    Wording(
        "log-name-lookup",
        r"no such host|name or service not known|could not resolve|EAI_AGAIN|\bENOTFOUND|"
        r"temporary failure in name resolution",
        "{container} looks for a name that does not exist.",
        Advice("Compare the name with the Services there are", ":svc", "kubectl get services -A"),
    ),
    Wording(
        "log-connection-refused",
        r"connection refused|ECONNREFUSED",
        "{container} cannot reach something that it needs: the connection is refused.",
        Advice(
            "See whether what it calls is running and its Service has ready pods",
            ":svc",
            "kubectl get services,endpointslices{ns}",
        ),
    ),
    Wording(
        "log-login",
        r"password authentication failed|access denied for user|authentication failed|NOAUTH",
        "{container} is refused by what it logs in to: its password is not the right one.",
        Advice("Compare its Secret with the password over there", ":secrets", "kubectl get secrets{ns}"),
    ),
    Wording(
        "log-missing-module",
        r"ModuleNotFoundError: No module named '?(?P<module>[\w.]+)|"
        r"Cannot find module '(?P<package>[^']+)'|ClassNotFoundException",
        "{container}'s program lacks a part of itself ({module}{package}): the image is incomplete.",
        Advice("Build the image anew", "i"),
    ),
    Wording(
        "log-missing-setting",
        r"KeyError: '(?P<variable>[A-Z_]{3,})'|environment variable \"?(?P<setting>[A-Z_]{3,})",
        "{container} misses a setting: {variable}{setting}.",
        Advice("Add it under env", "e"),
    ),
    Wording(
        "log-read-only",
        r"read-only file system|EROFS",
        "{container} writes where it may not: the file system is read-only.",
        Advice("Mount a writable volume there", "e"),
    ),
    Wording(
        "log-no-space",
        r"no space left on device|ENOSPC",
        "{container} cannot write: the disk is full.",
        Advice("Free space, or give it a larger volume", "o", "kubectl describe node {node}"),
    ),
    Wording(
        "log-permission",
        r"permission denied|EACCES|operation not permitted",
        "{container} may not read or write something that it needs.",
        Advice("Look at the user it runs as and the owner of its files (fsGroup)", "e"),
    ),
    Wording(
        "log-heap",
        r"OutOfMemoryError|heap out of memory|MemoryError|cannot allocate memory",
        "{container} ran out of memory by its own account.",
        _MEMORY,
    ),
)

PROBES = (
    Wording(
        "probe-startup",
        r"Startup probe failed: (?P<why>.*)",
        "It does not get ready in the time that its startup probe allows, and is restarted.",
        Advice("Raise failureThreshold, or see what it waits for", "l", "kubectl logs{ns} {name}"),
    ),
    Wording(
        "probe-liveness",
        r"Liveness probe failed: (?P<why>.*)",
        "It is restarted because its liveness probe fails.",
        Advice(
            "See in the log why it does not answer; a readiness probe would not kill it",
            "p",
            "kubectl logs{ns} {name} --previous",
        ),
    ),
    Wording(
        "probe-readiness-status",
        r"Readiness probe failed: .*statuscode: (?P<code>\d+)",
        "It gets no traffic: its readiness probe is answered with {code}.",
        Advice("Correct the probe's path, or what it answers", "e"),
    ),
    Wording(
        "probe-readiness-refused",
        r"Readiness probe failed: .*connection refused",
        "It gets no traffic: nothing listens on the port of its readiness probe.",
        Advice("Compare the probe's port with the one it opens", "l", "kubectl logs{ns} {name}"),
    ),
    Wording(
        "probe-readiness-slow",
        r"Readiness probe failed: .*(deadline exceeded|timeout|timed out)",
        "It gets no traffic: it answers its readiness probe too late.",
        Advice("Raise timeoutSeconds, or see why it is slow", "l", "kubectl logs{ns} {name}"),
    ),
    Wording(
        "probe-readiness",
        r"Readiness probe failed: (?P<why>.*)",
        "It gets no traffic: its readiness probe fails.",
        Advice("See in the log why", "l", "kubectl logs{ns} {name}"),
    ),
)


def _probe_texts(case: Case) -> Iterator[tuple[str, str]]:
    if case.condition("Ready").get("status") != "True":
        yield from warned("Unhealthy")(case)


RULES: tuple[Rule, ...] = (
    *rules(START_WORDINGS, _starts, "Pod"),
    Rule(name="oom-killed", kinds=only("Pod"), check=oom),
    *rules(LOG_WORDINGS, last_lines, "Pod"),
    *rules(PROBES, _probe_texts, "Pod"),
    *(Rule(name=name, kinds=only("Pod"), check=exit_code(name)) for name in _CODES),
    Rule(name="exit-error", kinds=only("Pod"), check=exit_other),
    Rule(name="init-running", kinds=only("Pod"), check=init_stuck),
)
