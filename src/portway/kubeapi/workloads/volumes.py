"""Validation of a pod's volumes and of where containers mount them.

Source: k8s.io/kubernetes pkg/apis/core/validation (ValidateVolumes, ValidateVolumeMounts).
"""

from collections.abc import Set

from portway.kubeapi import fault, names
from portway.kubeapi.errors import Doc, FieldError

_NEEDED = {
    "hostPath": "path",
    "secret": "secretName",
    "configMap": "name",
    "persistentVolumeClaim": "claimName",
    "nfs": "server",
}
"""The field without which a source names nothing."""
_MORE_THAN_ONE = "may not specify more than 1 volume type"


def validate_volumes(volumes: list[Doc], path: str) -> tuple[frozenset[str], list[FieldError]]:
    """(the names of the volumes that can be mounted, what is wrong): a faulty volume cannot be mounted."""
    usable: set[str] = set()
    found: list[FieldError] = []
    for index, volume in enumerate(volumes):
        errors = _volume(volume, f"{path}[{index}]", usable)
        found += errors
        if not errors:
            usable.add(volume["name"])
    return frozenset(usable), found


def _volume(volume: Doc, path: str, seen: Set[str]) -> list[FieldError]:
    found, name = _source(volume, path), volume.get("name") or ""
    if not name:
        found.append(fault.required(f"{path}.name"))
    else:
        found += fault.invalid_each(f"{path}.name", name, names.is_dns1123_label(name))
    if name in seen:
        found.append(fault.duplicate(f"{path}.name", name))
    return found


def _source(volume: Doc, path: str) -> list[FieldError]:
    given = [field for field in volume if field != "name" and volume[field] is not None]
    if not given:
        return [fault.required(path, "must specify a volume type")]
    first, *others = given
    needed = _NEEDED.get(first)
    missing = needed is not None and not volume[first].get(needed)
    found = [fault.required(f"{path}.{first}.{needed}")] if missing else []
    return found + [fault.forbidden(f"{path}.{name}", _MORE_THAN_ONE) for name in others]


def validate_mounts(mounts: list[Doc], volumes: Set[str], path: str) -> list[FieldError]:
    """Each mount names a usable volume and a path that no other mount of the container has."""
    found: list[FieldError] = []
    taken: set[str] = set()
    for index, mount in enumerate(mounts):
        found += _mount(mount, volumes, taken, path, f"{path}[{index}]")
        taken.add(mount.get("mountPath") or "")
    return found


def _mount(mount: Doc, volumes: Set[str], taken: Set[str], path: str, here: str) -> list[FieldError]:
    found, name, place = [], mount.get("name") or "", mount.get("mountPath") or ""
    if not name:
        found.append(fault.required(f"{here}.name"))
    if name not in volumes:
        found.append(FieldError("FieldValueNotFound", f"{here}.name", "", fault.shown(name)))
    if not place:
        found.append(fault.required(f"{here}.mountPath"))
    if place in taken:
        found.append(fault.invalid(f"{here}.mountPath", place, "must be unique"))
    if mount.get("subPath"):
        found += _descending(mount["subPath"], f"{path}.subPath")
    if mount.get("subPathExpr"):
        if mount.get("subPath"):
            complaint = "subPathExpr and subPath are mutually exclusive"
            found.append(fault.invalid(f"{here}.subPathExpr", mount["subPathExpr"], complaint))
        found += _descending(mount["subPathExpr"], f"{path}.subPathExpr")
    return found


def _descending(value: str, path: str) -> list[FieldError]:
    found = [fault.invalid(path, value, "must be a relative path")] if value.startswith("/") else []
    if ".." in value.split("/"):
        found.append(fault.invalid(path, value, "must not contain '..'"))
    return found
