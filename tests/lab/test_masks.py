import pytest

from lab.masks import masks


def test_unknown_folders_of_the_host_do_not_exist_in_a_machine() -> None:
    found = {
        mask.path: mask.how for mask in masks(root=["usr", "data", "work"], var=["www"], var_lib=["mysql"], etc=[])
    }
    assert found["/data"] == found["/work"] == found["/var/www"] == found["/var/lib/mysql"] == "absent"


@pytest.mark.parametrize("path", ["/root", "/home", "/tmp", "/run", "/opt", "/var/log", "/usr/local"])
def test_folders_with_peoples_own_things_are_there_but_empty(path: str) -> None:
    entries = ["usr", "var", "root", "home", "tmp", "run", "opt"]
    found = {mask.path: mask.how for mask in masks(root=entries, var=["log"], var_lib=[], etc=[])}
    assert found[path] == "empty"


def test_what_is_installed_stays_visible() -> None:
    found = {mask.path for mask in masks(root=["bin", "usr", "etc"], var=["lib"], var_lib=["dpkg"], etc=["ssl"])}
    assert found.isdisjoint({"/bin", "/usr", "/etc", "/var/lib", "/var/lib/dpkg", "/etc/ssl"})


def test_the_hosts_secrets_and_services_in_etc_are_hidden() -> None:
    found = {mask.path for mask in masks(root=[], var=[], var_lib=[], etc=["ssh", "ssl", "systemd", "kubernetes"])}
    assert {"/etc/ssh", "/etc/ssl/private", "/etc/systemd/system", "/etc/kubernetes"} <= found
    assert "/etc/docker" not in found


def test_tmp_stays_open_to_all_and_root_to_nobody_else() -> None:
    modes = {mask.path: mask.mode for mask in masks(root=["tmp", "root"], var=[], var_lib=[], etc=[])}
    assert modes["/tmp"] == 0o1777
    assert modes["/root"] == 0o700
