from pathlib import Path

import pytest

from lab.errors import LabError
from lab.images.debian import below_usr, parse_ldd, program

LDD = """\
\tlinux-vdso.so.1 (0x00007f3e78244000)
\tlibcrypt.so.1 => /lib/x86_64-linux-gnu/libcrypt.so.1 (0x00007f3e780a3000)
\tlibgone.so.1 => not found
\t/lib64/ld-linux-x86-64.so.2 (0x00007f3e78246000)
"""


def test_ldd_names_libraries_and_the_loader() -> None:
    assert parse_ldd(LDD) == ["/lib/x86_64-linux-gnu/libcrypt.so.1", "/lib64/ld-linux-x86-64.so.2"]


def test_a_static_program_has_no_libraries() -> None:
    assert parse_ldd("\tnot a dynamic executable\n") == []


@pytest.mark.parametrize(
    ("path", "real"),
    [
        pytest.param("/lib64/ld-linux-x86-64.so.2", "/usr/lib64/ld-linux-x86-64.so.2", id="loader"),
        pytest.param("/bin/bash", "/usr/bin/bash", id="program"),
        pytest.param("/usr/sbin/nginx", "/usr/sbin/nginx", id="there already"),
        pytest.param("/opt/lib/x", "/opt/lib/x", id="elsewhere"),
    ],
)
def test_folders_that_are_links_into_usr_are_followed(path: str, real: str) -> None:
    assert below_usr(path) == real


def test_a_missing_program_is_named_with_its_package() -> None:
    with pytest.raises(LabError, match="apt-get install nothing-light"):
        program("no-such-program", "nothing-light")


def test_an_installed_program_is_found_by_its_full_path() -> None:
    assert program("sh", "dash").name == "sh"
    assert Path("/") in program("sh", "dash").parents
