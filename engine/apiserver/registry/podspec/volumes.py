"""Validation of volumes and of their mounts."""

from __future__ import annotations

from apimachinery.objects.field import FieldError, duplicate, forbidden, invalid, not_found, not_supported, required
from engine.apiserver.registry import names
from engine.apiserver.registry.kind import Json
from engine.apiserver.registry.podspec.environment import append_field_ref_errors, append_resource_ref_errors

_MODE = "must be a number between 0 and 0777 (octal), both inclusive"
_DOWNWARD_FIELDS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
_HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip
_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_RECURSIONS = ("Disabled", "Enabled", "IfPossible")
_PROJECTIONS = ("secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle", "podCertificate")


def append_volume_errors(errors: list[FieldError], volumes: list[Json], path: str) -> dict[str, Json]:
    """Judge the volumes; returns those with usable names."""
    named: dict[str, Json] = {}
    for index, volume in enumerate(volumes):
        here = f"{path}[{index}]"
        name = volume.get("name", "")
        if not name:
            errors.append(required(f"{here}.name"))
        elif name in named:
            errors.append(duplicate(f"{here}.name", name))
        else:
            errors += (invalid(f"{here}.name", name, message) for message in names.dns_label(name))
            named[name] = volume
        _append_source_errors(errors, volume, here)
    return named


def _append_source_errors(errors: list[FieldError], volume: Json, path: str) -> None:
    sources = [name for name in volume if name != "name"]
    if not sources:
        errors.append(required(path, "must specify a volume type"))
        return
    errors += (forbidden(f"{path}.{name}", "may not specify more than 1 volume type") for name in sources[1:])
    name = sources[0]
    source: Json = volume[name]
    here = f"{path}.{name}"
    match name:
        case "hostPath":
            _append_host_path_errors(errors, source, here)
        case "configMap":
            _append_files_errors(errors, source, here, "name")
        case "secret":
            _append_files_errors(errors, source, here, "secretName")
        case "downwardAPI":
            _append_mode_errors(errors, source, here, "defaultMode")
            _append_downward_errors(errors, source, here)
        case "projected":
            _append_projected_errors(errors, source, here)
        case "persistentVolumeClaim":
            if not source.get("claimName"):
                errors.append(required(f"{here}.claimName"))
        case "emptyDir":
            limit = source.get("sizeLimit", "0")
            if limit.startswith("-"):
                errors.append(forbidden(f"{here}.sizeLimit", "SizeLimit field must be a valid resource quantity"))
        case "nfs":
            errors += (required(f"{here}.{field}") for field in ("server", "path") if not source.get(field))
        case _:
            pass


def _append_host_path_errors(errors: list[FieldError], source: Json, path: str) -> None:
    where = source.get("path", "")
    if not where:
        errors.append(required(f"{path}.path"))
    elif ".." in where.split("/"):
        errors.append(invalid(f"{path}.path", where, "must not contain '..'"))
    if source.get("type", "") not in _HOST_PATH_TYPES:
        errors.append(not_supported(f"{path}.type", source["type"], _HOST_PATH_TYPES))


def _append_mode_errors(errors: list[FieldError], source: Json, path: str, field: str) -> None:
    mode = source.get(field, 0)
    if not 0 <= mode <= 0o777:
        errors.append(invalid(f"{path}.{field}", mode, _MODE))


def _append_files_errors(errors: list[FieldError], source: Json, path: str, name_field: str) -> None:
    if not source.get(name_field):
        errors.append(required(f"{path}.{name_field}"))
    _append_mode_errors(errors, source, path, "defaultMode")
    for index, item in enumerate(source.get("items", ())):
        here = f"{path}.items[{index}]"
        if not item.get("key"):
            errors.append(required(f"{here}.key"))
        _append_mode_errors(errors, item, here, "mode")
        if not item.get("path"):
            errors.append(required(f"{here}.path"))
        else:
            _append_local_path_errors(errors, item["path"], f"{here}.path")


def _append_local_path_errors(errors: list[FieldError], where: str, path: str) -> None:
    if where.startswith("/"):
        errors.append(invalid(path, where, "must be a relative path"))
    if ".." in where.split("/"):
        errors.append(invalid(path, where, "must not contain '..'"))
    elif where.startswith(".."):
        errors.append(invalid(path, where, "must not start with '..'"))


def _append_downward_errors(errors: list[FieldError], source: Json, path: str) -> None:
    for index, item in enumerate(source.get("items", ())):
        here = f"{path}.items[{index}]" if path.endswith("downwardAPI") else path
        if not item.get("path"):
            errors.append(required(f"{path}.path"))
        else:
            _append_local_path_errors(errors, item["path"], f"{path}.path")
        if "fieldRef" in item:
            append_field_ref_errors(errors, item["fieldRef"], f"{path}.fieldRef", _DOWNWARD_FIELDS)
            if "resourceFieldRef" in item:
                errors.append(
                    invalid(here, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
                )
        elif "resourceFieldRef" in item:
            append_resource_ref_errors(errors, item["resourceFieldRef"], f"{path}.resourceFieldRef")
        else:
            errors.append(required(path, "one of fieldRef and resourceFieldRef is required"))
        _append_mode_errors(errors, item, path, "mode")


def _append_projected_errors(errors: list[FieldError], source: Json, path: str) -> None:
    _append_mode_errors(errors, source, path, "defaultMode")
    for index, projection in enumerate(source.get("sources", ())):
        here = f"{path}.sources[{index}]"
        chosen = [name for name in _PROJECTIONS if name in projection]
        errors += (
            forbidden(f"{here}.{name}", "may not specify more than 1 volume type per source") for name in chosen[1:]
        )
        for name in ("secret", "configMap"):
            if name in projection:
                _append_files_errors(errors, projection[name], f"{here}.{name}", "name")
        if "downwardAPI" in projection:
            _append_downward_errors(errors, projection["downwardAPI"], f"{here}.downwardAPI")
        if "serviceAccountToken" in projection and not projection["serviceAccountToken"].get("path"):
            errors.append(required(f"{here}.serviceAccountToken.path"))


def append_mount_errors(errors: list[FieldError], container: Json, volumes: dict[str, Json], path: str) -> None:
    """Judge where a container mounts the pod's volumes."""
    mounted: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts", ())):
        here = f"{path}.volumeMounts[{index}]"
        name, where = mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            errors.append(required(f"{here}.name"))
        elif name not in volumes:
            errors.append(not_found(f"{here}.name", name))
        if not where:
            errors.append(required(f"{here}.mountPath"))
        if where in mounted:
            errors.append(invalid(f"{here}.mountPath", where, "must be unique"))
        mounted.add(where)
        for field in ("subPath", "subPathExpr"):
            if mount.get(field):
                _append_local_path_errors(errors, mount[field], f"{here}.{field}")
        if mount.get("subPath") and mount.get("subPathExpr"):
            errors.append(
                invalid(f"{here}.subPathExpr", mount["subPathExpr"], "subPathExpr and subPath are mutually exclusive")
            )
        propagation = mount.get("mountPropagation")
        if propagation is not None and propagation not in _PROPAGATIONS:
            errors.append(not_supported(f"{here}.mountPropagation", propagation, _PROPAGATIONS))
        elif propagation == "Bidirectional" and not (container.get("securityContext") or {}).get("privileged"):
            detail = "Bidirectional mount propagation is available only to privileged containers"
            errors.append(forbidden(f"{here}.mountPropagation", detail))
        _append_recursion_errors(errors, mount, f"{here}.recursiveReadOnly")


def _append_recursion_errors(errors: list[FieldError], mount: Json, path: str) -> None:
    asked = mount.get("recursiveReadOnly")
    if asked is None or asked == "Disabled":
        return
    if asked not in _RECURSIONS:
        errors.append(not_supported(path, asked, _RECURSIONS))
        return
    if not mount.get("readOnly"):
        errors.append(forbidden(path, "may only be specified when readOnly is true"))
    if mount.get("mountPropagation", "None") != "None":
        errors.append(forbidden(path, "may only be specified when mountPropagation is None or not specified"))


def append_device_errors(errors: list[FieldError], container: Json, volumes: dict[str, Json], path: str) -> None:
    """Judge where a container finds the pod's block devices."""
    mounted = {mount.get("mountPath") for mount in container.get("volumeMounts", ())}
    mounted_names = {mount.get("name") for mount in container.get("volumeMounts", ())}
    names_seen: set[str] = set()
    paths_seen: set[str] = set()
    for index, device in enumerate(container.get("volumeDevices", ())):
        here = f"{path}.volumeDevices[{index}]"
        name, where = device.get("name", ""), device.get("devicePath", "")
        if not name:
            errors.append(required(f"{here}.name"))
        elif name in names_seen:
            errors.append(invalid(f"{here}.name", name, "must be unique"))
        elif name not in volumes:
            errors.append(not_found(f"{here}.name", name))
        elif not {"persistentVolumeClaim", "ephemeral"} & volumes[name].keys():
            detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            errors.append(invalid(f"{here}.name", name, detail))
        if not where:
            errors.append(required(f"{here}.devicePath"))
        elif where in paths_seen:
            errors.append(invalid(f"{here}.devicePath", where, "must be unique"))
        elif where in mounted:
            errors.append(invalid(f"{here}.devicePath", where, "must not already exist as a path in volumeMounts"))
        elif ".." in where.split("/"):
            errors.append(invalid(f"{here}.devicePath", where, "must not contain '..'"))
        if name and name in mounted_names:
            errors.append(invalid(f"{here}.name", name, "must not already exist in volumeMounts"))
        names_seen.add(name)
        paths_seen.add(where)
