"""Volumes, claims and storage classes."""

from portway.kubeapi.errors import Doc
from portway.kubeapi.kinds import Column
from portway.kubeapi.printing.cell import AGE, NAME, UNSET, Cell, at, column, name_of, text, value, wide

_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
_CLASS = "volume.beta.kubernetes.io/storage-class"
_DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")


def _modes(doc: Doc, *path: str) -> str:
    given = value(doc, *path) or ()
    return ",".join(short for mode, short in _MODES.items() if mode in given)


def _phase(doc: Doc) -> str:
    deleted = value(doc, "metadata", "deletionTimestamp") is not None
    return "Terminating" if deleted else str(value(doc, "status", "phase") or "")


def _claim(doc: Doc) -> str:
    claim = value(doc, "spec", "claimRef")
    return f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else ""


def _class(doc: Doc) -> str:
    annotated = (value(doc, "metadata", "annotations") or {}).get(_CLASS)
    return str(annotated or value(doc, "spec", "storageClassName") or "")


def _bound(*path: str) -> Cell:
    """A claim shows its volume's figures once it has one."""
    return text(lambda doc: value(doc, *path) or "" if value(doc, "spec", "volumeName") else "")


def _bound_modes(doc: Doc) -> str:
    return _modes(doc, "status", "accessModes") if value(doc, "spec", "volumeName") else ""


def _class_name(doc: Doc) -> str:
    annotations = value(doc, "metadata", "annotations") or {}
    default = any(annotations.get(name) == "true" for name in _DEFAULT)
    return f"{name_of(doc)} (default)" if default else name_of(doc)


_ATTRIBUTES = column("VolumeAttributesClass", at("spec", "volumeAttributesClassName", absent=UNSET))
_VOLUME_MODE = wide("VolumeMode", at("spec", "volumeMode", absent=UNSET))

COLUMNS = {
    "PersistentVolume": (
        NAME,
        column("Capacity", at("spec", "capacity", "storage", absent="0")),
        column("Access Modes", text(lambda doc: _modes(doc, "spec", "accessModes"))),
        column("Reclaim Policy", at("spec", "persistentVolumeReclaimPolicy")),
        column("Status", text(_phase)),
        column("Claim", text(_claim)),
        column("StorageClass", text(_class)),
        _ATTRIBUTES,
        column("Reason", at("status", "reason")),
        AGE,
        _VOLUME_MODE,
    ),
    "PersistentVolumeClaim": (
        NAME,
        column("Status", text(_phase)),
        column("Volume", at("spec", "volumeName")),
        column("Capacity", _bound("status", "capacity", "storage")),
        column("Access Modes", text(_bound_modes)),
        column("StorageClass", text(_class)),
        _ATTRIBUTES,
        AGE,
        _VOLUME_MODE,
    ),
    "StorageClass": (
        Column("Name", text(_class_name), format="name"),
        column("Provisioner", at("provisioner")),
        column("ReclaimPolicy", at("reclaimPolicy", absent="Delete")),
        column("VolumeBindingMode", at("volumeBindingMode", absent="Immediate")),
        column("AllowVolumeExpansion", at("allowVolumeExpansion", absent=False)),
        AGE,
    ),
}
