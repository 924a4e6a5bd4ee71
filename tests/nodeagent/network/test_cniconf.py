import json
import stat
from pathlib import Path

from nodeagent.network import cniconf


def test_configuration_is_written_where_there_was_no_folder(tmp_path: Path) -> None:
    folder = tmp_path / "etc" / "cni"
    assert cniconf.write(folder, "10.42.1.0/24")
    (file,) = folder.iterdir()
    written = json.loads(file.read_text())
    bridge, portmap = written["plugins"]
    assert (written["name"], bridge["bridge"], bridge["isGateway"], bridge["hairpinMode"]) == (
        "pilothouse",
        "ph0",
        True,
        True,
    )
    assert bridge["ipMasq"] is False
    assert bridge["ipam"]["ranges"] == [[{"subnet": "10.42.1.0/24"}]]
    assert portmap == {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_the_same_configuration_is_not_written_again(tmp_path: Path) -> None:
    assert cniconf.write(tmp_path, "10.42.1.0/24")
    assert not cniconf.write(tmp_path, "10.42.1.0/24")
    assert cniconf.write(tmp_path, "10.42.2.0/24")
    cniconf.remove(tmp_path)
    cniconf.remove(tmp_path)
    assert list(tmp_path.iterdir()) == []
