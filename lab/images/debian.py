"""Files of installed Debian packages, gathered for a layer."""

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from lab.errors import LabError
from lab.images.oci import Entry, copy

_SEARCH_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_ARCHITECTURES = {"armhf": "arm", "i386": "386", "ppc64el": "ppc64le"}


def host_architecture() -> str:
    """This computer's architecture in Go's words, which OCI images use: amd64, arm64, arm."""
    name = _output(["dpkg", "--print-architecture"])
    return _ARCHITECTURES.get(name, name)


def program(name: str, package: str) -> Path:
    """Where an installed program is. LabError naming the package that holds it."""
    found = shutil.which(name, path=_SEARCH_PATH)
    if found is None:
        raise LabError(f"{name} is not installed; the images need it: apt-get install {package}")
    return Path(found)


def with_libraries(programs: Iterable[Path]) -> tuple[Entry, ...]:
    """Programs and all shared libraries they load, where a root with Debian's merged /usr has them."""
    files: dict[str, Path] = {}
    for path in programs:
        for file in (str(path), *parse_ldd(_output(["ldd", str(path)]))):
            files[below_usr(file)] = Path(file).resolve()
    return tuple(copy(path, source) for path, source in sorted(files.items()))


def parse_ldd(output: str) -> list[str]:
    """The paths in ldd's answer: "libc.so.6 => /lib/.../libc.so.6 (0x...)" or "/lib64/ld-linux.so.2 (0x...)"."""
    found: list[str] = []
    for line in output.splitlines():
        words = line.split()
        path = words[2] if len(words) > 2 and words[1] == "=>" else words[0] if words else ""
        if path.startswith("/"):
            found.append(path)
    return found


def below_usr(path: str) -> str:
    """Where a path really is when /bin, /sbin and /lib* are links into /usr."""
    return f"/usr{path}" if path.startswith(("/bin/", "/sbin/", "/lib")) else path


def _output(argv: list[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout.strip()
