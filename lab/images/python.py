"""A stand-in for the official python image: Debian's own interpreter with its standard library, nothing else.

Not in the catalog: no example runs it, and its files would make every lab's start slower.
"""

import subprocess
from pathlib import Path

from lab.errors import LabError
from lab.images.busybox import PATH, base_layer
from lab.images.debian import program, with_libraries
from lab.images.oci import Entry, Image, copy, link

# Tests, caches and the parts that Debian keeps for building other things: no program of a container reads them.
_LEFT_OUT = {"__pycache__", "test", "tests", "idlelib", "ensurepip", "lib2to3", "pydoc_data", "dist-packages"}


def python(architecture: str) -> Image:
    return Image(
        name="docker.io/library/python:latest",
        layers=(base_layer(), _program_layer()),
        config={"Cmd": ["python3"], "Env": [PATH, "LANG=C.UTF-8"]},
        architecture=architecture,
    )


def _program_layer() -> tuple[Entry, ...]:
    interpreter = program("python3", "python3").resolve()
    library = _standard_library(interpreter)
    extensions = sorted((library / "lib-dynload").glob("*.so"))
    modules = [
        path
        for path in sorted(library.rglob("*"))
        if path.is_file() and not _LEFT_OUT.intersection(path.relative_to(library).parts)
    ]
    return (
        *with_libraries([interpreter, *extensions]),
        *(copy(str(path), path, 0o644) for path in modules if path not in extensions),
        link("usr/bin/python3", interpreter.name),
        link("usr/bin/python", "python3"),
    )


def _standard_library(interpreter: Path) -> Path:
    argv = [str(interpreter), "-I", "-c", "import sysconfig; print(sysconfig.get_path('stdlib'))"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return Path(done.stdout.strip())
