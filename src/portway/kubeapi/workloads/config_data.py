"""What ConfigMaps and Secrets share: keys, a total size, and immutability.

Source: k8s.io/kubernetes pkg/apis/core/validation (ValidateConfigMap, ValidateSecret and their updates).
"""

from portway.kubeapi import fault, names
from portway.kubeapi.errors import Doc, FieldError

MOST_BYTES = 1024 * 1024
_IMMUTABLE = "field is immutable when `immutable` is set"


def validate_keys(data: Doc, path: str) -> list[FieldError]:
    """Keys are safe file names."""
    found: list[FieldError] = []
    for key in data:
        found += fault.invalid_each(f"{path}[{key}]", key, names.is_config_map_key(key))
    return found


def validate_immutable(new: Doc, old: Doc | None, *bags: str) -> list[FieldError]:
    """Once `immutable` is true it stays, and so does the content."""
    if old is None or not old.get("immutable"):
        return []
    found = [] if new.get("immutable") else [fault.forbidden("immutable", _IMMUTABLE)]
    changed = (bag for bag in bags if (new.get(bag) or {}) != (old.get(bag) or {}))
    return found + [fault.forbidden(bag, _IMMUTABLE) for bag in changed]


def decoded_size(text: str) -> int:
    """The bytes that a base64 text stands for."""
    return len(text) * 3 // 4 - text[-2:].count("=")
