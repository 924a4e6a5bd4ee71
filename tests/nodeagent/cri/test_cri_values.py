"""Values at the runtime's border, and the images made by hand."""

import io
import json
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.cri import envelope, pause, wire
from nodeagent.cri.runtime import TaskEvent
from nodeagent.cri.types import Container, ContainerSpec, Namespaces, PortMapping, SandboxSpec, Security, State


def field(number: int, payload: bytes) -> bytes:
    return bytes([number << 3 | 2]) + envelope._varint(len(payload)) + payload


def message(topic: bytes, container: bytes, process: bytes) -> bytes:
    task = field(1, container) + field(2, process) + b"\x18\x2a\x20\x89\x01"  # pid and exit status are varints
    event = field(1, b"containerd.events.TaskExit") + field(2, task)
    return field(1, b"\x08\x01") + field(2, b"k8s.io") + field(3, topic) + field(4, event)


def test_the_end_of_a_container_is_told() -> None:
    assert envelope.task_event(message(b"/tasks/exit", b"abc", b"abc")) == TaskEvent(
        container_id="abc", topic="/tasks/exit"
    )


def test_the_end_of_a_command_inside_is_not() -> None:
    assert envelope.task_event(message(b"/tasks/exit", b"abc", b"exec-1")) is None


@given(st.binary(max_size=200))
def test_no_bytes_upset_the_decoder(noise: bytes) -> None:
    event = envelope.task_event(noise)
    assert event is None or event.container_id


def test_filters_are_length_delimited() -> None:
    long = "x" * 200
    assert envelope.subscription([long]) == b"\x0a\xc8\x01" + long.encode()


@pytest.mark.parametrize(("arch", "machine"), [("amd64", 62), ("arm64", 183), ("arm", 40)])
def test_the_pause_program_is_an_executable_of_its_architecture(arch: str, machine: int) -> None:
    elf = pause.program(arch)
    assert elf[:4] == b"\x7fELF"
    assert int.from_bytes(elf[18:20], "little") == machine
    assert len(elf) < 160


def test_the_pause_program_runs_until_it_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "pause"
    program.write_bytes(pause.program(pause.architecture()))
    program.chmod(0o755)
    with subprocess.Popen([program]) as process, pytest.raises(subprocess.TimeoutExpired):
        try:
            process.wait(0.2)
        finally:
            process.kill()


def test_the_pause_image_is_a_whole_oci_layout() -> None:
    with tarfile.open(fileobj=io.BytesIO(pause.archive("arm64"))) as tar:
        files = {member.name: tar.extractfile(member).read() for member in tar.getmembers()}  # type: ignore[union-attr]
    (manifest,) = json.loads(files["index.json"])["manifests"]
    assert manifest["annotations"]["io.containerd.image.name"] == pause.IMAGE
    body = json.loads(files[f"blobs/sha256/{manifest['digest'][7:]}"])
    config = json.loads(files[f"blobs/sha256/{body['config']['digest'][7:]}"])
    assert config["architecture"] == "arm64"
    assert f"blobs/sha256/{body['layers'][0]['digest'][7:]}" in files


def sandbox(**fields: object) -> SandboxSpec:
    base = {"name": "web", "namespace": "d", "uid": "u", "attempt": 1, "hostname": "web", "log_directory": "/l"}
    return SandboxSpec(**{**base, "cgroup_parent": "/p/podu", **fields})  # type: ignore[arg-type]


def test_a_sandbox_carries_the_pods_identity_and_ports() -> None:
    config = wire.sandbox_config(sandbox(ports=(PortMapping(protocol="UDP", container_port=53, host_port=5353),)))
    assert config.labels["io.kubernetes.pod.uid"] == "u"
    assert (config.port_mappings[0].protocol, config.port_mappings[0].host_port) == (1, 5353)
    assert config.linux.cgroup_parent == "/p/podu"


@pytest.mark.parametrize(
    ("namespaces", "network", "pid"),
    [
        pytest.param(Namespaces(), 0, 1, id="own network, own pids"),
        pytest.param(Namespaces(host_network=True, host_pid=True), 2, 2, id="the machine's"),
        pytest.param(Namespaces(shared_pid=True), 0, 0, id="pids shared in the pod"),
    ],
)
def test_namespaces(namespaces: Namespaces, network: int, pid: int) -> None:
    options = wire.sandbox_config(sandbox(namespaces=namespaces)).linux.security_context.namespace_options
    assert (options.network, options.pid) == (network, pid)


def test_user_zero_is_told_and_no_user_is_not() -> None:
    def context(security: Security) -> object:
        spec = ContainerSpec(name="c", attempt=0, image="i", security=security)
        return wire.container_config(spec, sandbox()).linux.security_context

    assert context(Security(run_as_user=0)).HasField("run_as_user")  # type: ignore[attr-defined]
    assert not context(Security()).HasField("run_as_user")  # type: ignore[attr-defined]


def test_a_status_becomes_a_plain_value() -> None:
    status = wire.pb.ContainerStatus(
        id="c1", state=2, exit_code=137, reason="OOMKilled", started_at=1_500_000_000, finished_at=2_500_000_000
    )
    found = wire.detailed_container(status)
    assert isinstance(found, Container)
    assert (found.state, found.exit_code, found.started_at, found.finished_at) == (State.EXITED, 137, 1.5, 2.5)
