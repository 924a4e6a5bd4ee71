"""The image that holds a pod's namespaces open: one static program that sleeps, made here, byte by byte.

Nothing is pulled for it, so a machine without a registry in reach can still start pods.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import platform
import struct
import tarfile

import msgspec

from nodeagent.cri.errors import RuntimeFailure
from nodeagent.cri.runtime import Runtime

IMAGE = "pilothouse.local/pause:1"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm"}
_OCI = "application/vnd.oci.image."


def architecture(machine: str = "") -> str:
    """GOARCH of this machine, or of `machine` as uname names it."""
    machine = machine or platform.machine()
    return _ARCHITECTURES.get(machine, machine)


async def ensure_pause_image(runtime: Runtime, socket: str) -> None:
    """Bring the pause image into containerd unless it is there; raises RuntimeFailure."""
    if await runtime.image(IMAGE) is not None:
        return
    # `ctr` comes with containerd itself; its import unpacks, labels and announces the image to the CRI plugin.
    process = await asyncio.create_subprocess_exec(
        "ctr", "--address", socket, "--namespace", "k8s.io", "images", "import", "-",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate(archive(architecture()))
    if process.returncode != 0:
        raise RuntimeFailure(f"ctr could not import the pause image: {output.decode(errors='replace').strip()}")
    for _ in range(50):
        if await runtime.image(IMAGE) is not None:
            return
        await asyncio.sleep(0.1)  # the CRI plugin learns of imported images by an event of its own
    raise RuntimeFailure("containerd imported the pause image but its CRI service does not list it")


def program(arch: str) -> bytes:
    """A static ELF executable that sleeps for ever and needs no memory of its own. Raises KeyError."""
    if arch == "arm":
        # mov r7,#29 (pause); svc 0; b back to the start
        return _elf32(struct.pack("<3I", 0xE3A0701D, 0xEF000000, 0xEAFFFFFC), machine=40)
    code, machine = {
        # mov eax,34 (pause); syscall; jmp back to the start
        "amd64": (bytes.fromhex("b8220000000f05ebf7"), 62),
        # x0..x3 = 0; mov x8,#73 (ppoll); svc 0; b back to the start
        "arm64": (
            struct.pack("<7I", 0xD2800000, 0xD2800001, 0xD2800002, 0xD2800003, 0xD2800928, 0xD4000001, 0x17FFFFFA),
            183,
        ),
    }[arch]
    return _elf64(code, machine)


def archive(arch: str, name: str = IMAGE) -> bytes:
    """The image as an OCI layout in a tar, with the one layer uncompressed."""
    layer = _tar({"pause": (program(arch), 0o755)})
    config = msgspec.json.encode(
        {
            "architecture": arch,
            "os": "linux",
            "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        }
    )
    manifest = msgspec.json.encode(
        {
            "schemaVersion": 2,
            "mediaType": f"{_OCI}manifest.v1+json",
            "config": _descriptor(f"{_OCI}config.v1+json", config),
            "layers": [_descriptor(f"{_OCI}layer.v1.tar", layer)],
        }
    )
    index = {
        **_descriptor(f"{_OCI}manifest.v1+json", manifest),
        "platform": {"os": "linux", "architecture": arch},
        "annotations": {"io.containerd.image.name": name},
    }
    blobs = {f"blobs/sha256/{_digest(blob)[7:]}": (blob, 0o644) for blob in (config, manifest, layer)}
    return _tar(
        {
            "oci-layout": (b'{"imageLayoutVersion":"1.0.0"}', 0o644),
            "index.json": (msgspec.json.encode({"schemaVersion": 2, "manifests": [index]}), 0o644),
            **blobs,
        }
    )


def _elf64(code: bytes, machine: int) -> bytes:
    base, header = 0x400000, 64 + 56
    size = header + len(code)
    identity = b"\x7fELF\x02\x01\x01" + bytes(9)
    file_header = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, base + header, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000)
    return identity + file_header + segment + code


def _elf32(code: bytes, machine: int) -> bytes:
    base, header = 0x10000, 52 + 32
    size = header + len(code)
    identity = b"\x7fELF\x01\x01\x01" + bytes(9)
    eabi5 = 0x05000000
    file_header = struct.pack("<HHIIIIIHHHHHH", 2, machine, 1, base + header, 52, 0, eabi5, 52, 32, 1, 0, 0, 0)
    segment = struct.pack("<IIIIIIII", 1, 0, base, base, size, size, 5, 0x1000)
    return identity + file_header + segment + code


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _digest(blob: bytes) -> str:
    return "sha256:" + hashlib.sha256(blob).hexdigest()


def _descriptor(media_type: str, blob: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": _digest(blob), "size": len(blob)}
