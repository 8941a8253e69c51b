"""The life of an IPAddress in the API: hooks of its Kind. Its name is the address.

Source: pkg/apis/networking/validation/validation.go (ValidateIPAddress); KEP-1880.
"""

from portway.kubeapi import fault, ip
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.names import is_dns1123_subdomain, is_path_segment_name

_PARENT = "spec.parentRef"


def name_rule(name: str) -> list[str]:
    """A canonical IP address."""
    return [error.detail for error in ip.validate_strict("", name)]


def _parent(document: Doc) -> Doc | None:
    parent: Doc | None = (document.get("spec") or {}).get("parentRef")
    return parent


def _reference(parent: Doc) -> list[FieldError]:
    group, namespace = parent.get("group") or "", parent.get("namespace") or ""
    found = fault.invalid_each(f"{_PARENT}.group", group, is_dns1123_subdomain(group) if group else ())
    for name in ("resource", "name"):
        field, value = f"{_PARENT}.{name}", parent.get(name) or ""
        found += fault.invalid_each(field, value, is_path_segment_name(value)) if value else [fault.required(field)]
    return found + fault.invalid_each(f"{_PARENT}.namespace", namespace, is_path_segment_name(namespace))


def _shown(parent: Doc | None) -> Doc | None:
    """Upstream shows the internal value, whose fields have Go's names."""
    if parent is None:
        return None
    return {name: parent.get(name.lower()) or "" for name in ("Group", "Resource", "Namespace", "Name")}


def validate_change(document: Doc, old: Doc) -> list[FieldError]:
    """The holder of an address never changes."""
    parent = _shown(_parent(document))
    return [fault.invalid(_PARENT, parent, "field is immutable")] if parent != _shown(_parent(old)) else []


def validate(document: Doc, old: Doc | None) -> list[FieldError]:
    """Kind hook: somebody holds the address, and keeps it."""
    parent = _parent(document)
    found = [fault.required(_PARENT)] if parent is None else _reference(parent)
    return found + (validate_change(document, old) if old is not None else [])
