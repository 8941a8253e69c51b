"""ConfigMap: keys, size, immutability."""

from portway.kubeapi import fault, names
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.workloads.config_data import MOST_BYTES, decoded_size, validate_immutable, validate_keys

name_rule = names.is_dns1123_subdomain


def validate(new: Doc, old: Doc | None) -> list[FieldError]:
    """Keys of both bags, no key in both, at most 1 MiB, and nothing changed that is immutable."""
    data, binary = new.get("data") or {}, new.get("binaryData") or {}
    found = validate_immutable(new, old, "data", "binaryData")
    found += validate_keys(data, "data")
    repeated = (key for key in data if key in binary)
    found += [fault.invalid(f"data[{key}]", key, "duplicate of key present in binaryData") for key in repeated]
    found += validate_keys(binary, "binaryData")
    size = sum(len(text.encode()) for text in data.values()) + sum(map(decoded_size, binary.values()))
    return found + ([fault.too_long("", MOST_BYTES)] if size > MOST_BYTES else [])
