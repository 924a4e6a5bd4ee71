"""The messages of the Container Storage Interface that an agent sends and reads, and those of plugin registration.

Names and numbers: csi.proto (csi.v1) and kubelet's pluginregistration/v1. Built here out of tables, because there is no
kept package of them; in a pool of their own, so that they never meet another definition of the same names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Type = descriptor_pb2.FieldDescriptorProto
_SCALARS = {"string": _Type.TYPE_STRING, "int64": _Type.TYPE_INT64, "int32": _Type.TYPE_INT32, "bool": _Type.TYPE_BOOL}

# message -> fields as "name type number"; "map" is one of strings, "*" repeats. Enums are their numbers.
_CSI: Mapping[str, tuple[str, ...]] = {
    "GetPluginInfoRequest": (),
    "GetPluginInfoResponse": ("name string 1", "vendor_version string 2"),
    "MountVolume": ("fs_type string 1", "mount_flags *string 2", "volume_mount_group string 3"),
    "BlockVolume": (),
    "AccessMode": ("mode int32 1",),
    "VolumeCapability": ("block BlockVolume 1", "mount MountVolume 2", "access_mode AccessMode 3"),
    "CapacityRange": ("required_bytes int64 1", "limit_bytes int64 2"),
    "NodeStageVolumeRequest": (
        "volume_id string 1", "publish_context map 2", "staging_target_path string 3",
        "volume_capability VolumeCapability 4", "secrets map 5", "volume_context map 6",
    ),
    "NodeStageVolumeResponse": (),
    "NodeUnstageVolumeRequest": ("volume_id string 1", "staging_target_path string 2"),
    "NodeUnstageVolumeResponse": (),
    "NodePublishVolumeRequest": (
        "volume_id string 1", "publish_context map 2", "staging_target_path string 3", "target_path string 4",
        "volume_capability VolumeCapability 5", "readonly bool 6", "secrets map 7", "volume_context map 8",
    ),
    "NodePublishVolumeResponse": (),
    "NodeUnpublishVolumeRequest": ("volume_id string 1", "target_path string 2"),
    "NodeUnpublishVolumeResponse": (),
    "NodeExpandVolumeRequest": (
        "volume_id string 1", "volume_path string 2", "capacity_range CapacityRange 3", "staging_target_path string 4",
        "volume_capability VolumeCapability 5", "secrets map 6",
    ),
    "NodeExpandVolumeResponse": ("capacity_bytes int64 1",),
    "NodeGetCapabilitiesRequest": (),
    "RPC": ("type int32 1",),
    "NodeServiceCapability": ("rpc RPC 1",),
    "NodeGetCapabilitiesResponse": ("capabilities *NodeServiceCapability 1",),
    "NodeGetInfoRequest": (),
    "Topology": ("segments map 1",),
    "NodeGetInfoResponse": ("node_id string 1", "max_volumes_per_node int64 2", "accessible_topology Topology 3"),
}  # fmt: skip
_REGISTRATION: Mapping[str, tuple[str, ...]] = {
    "InfoRequest": (),
    "PluginInfo": ("type string 1", "name string 2", "endpoint string 3", "supported_versions *string 4"),
    "RegistrationStatus": ("plugin_registered bool 1", "error string 2"),
    "RegistrationStatusResponse": (),
}

STAGE_UNSTAGE_VOLUME, EXPAND_VOLUME, SINGLE_NODE_MULTI_WRITER, VOLUME_MOUNT_GROUP = 1, 3, 5, 6
"""Capabilities of a node service that change what we do."""


def _file(package: str, messages: Mapping[str, tuple[str, ...]]) -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for text in fields:
            _add_field(message, package, *text.split())
    return file


def _add_field(message: descriptor_pb2.DescriptorProto, package: str, name: str, kind: str, number: str) -> None:
    field = message.field.add(name=name, number=int(number), label=_Type.LABEL_OPTIONAL)
    if kind.startswith("*"):
        field.label, kind = _Type.LABEL_REPEATED, kind.removeprefix("*")
    if kind == "map":
        entry = message.nested_type.add(name="".join(word.title() for word in name.split("_")) + "Entry")
        entry.options.map_entry = True
        for key, place in (("key", 1), ("value", 2)):
            entry.field.add(name=key, number=place, type=_Type.TYPE_STRING, label=_Type.LABEL_OPTIONAL)
        field.label, field.type = _Type.LABEL_REPEATED, _Type.TYPE_MESSAGE
        field.type_name = f".{package}.{message.name}.{entry.name}"
    elif kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = _Type.TYPE_MESSAGE, f".{package}.{kind}"


def _classes(package: str, messages: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_file(package, messages))
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in messages}


csi = _classes("csi.v1", _CSI)
"""Message classes by name."""
registration = _classes("pluginregistration", _REGISTRATION)
