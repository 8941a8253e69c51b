"""The life of an IPAddress in the API: hooks of its Kind. Its name is the address.

Those of Services come and go with them, labelled as the allocator's. One that somebody else makes keeps Services
away from its address.

Source: pkg/apis/networking/validation/validation.go (ValidateIPAddress), pkg/registry/core/service/ipallocator;
KEP-1880.
"""

from collections.abc import Callable, Mapping
from typing import Any

from portway.kubeapi import fault, ip
from portway.kubeapi.allocators import Addresses
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.kinds import Claims
from portway.kubeapi.names import is_dns1123_subdomain, is_path_segment_name
from portway.model import Family

FAMILY = "ipaddress.kubernetes.io/ip-family"
MANAGED_BY, ALLOCATOR = "ipaddress.kubernetes.io/managed-by", "ipallocator"
_PARENT = "spec.parentRef"


def of_service(address: str, namespace: str, name: str) -> Doc:
    """What says that a Service holds this address."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IPAddress",
        "metadata": {"name": address, "labels": {FAMILY: ip.family(address), MANAGED_BY: ALLOCATOR}},
        "spec": {"parentRef": {"resource": "services", "namespace": namespace, "name": name}},
    }


def is_allocators(document: Doc) -> bool:
    """Whether it comes and goes with a Service."""
    return ((document.get("metadata") or {}).get("labels") or {}).get(MANAGED_BY) == ALLOCATOR


class _Claim:
    """Done last, or not at all."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act

    def commit(self) -> None:
        """The document is stored, or gone."""
        self._act()

    def rollback(self) -> None:
        """Nothing was done."""


def begin_create(document: Doc, cluster: Any, dry_run: bool) -> Claims:
    """Kind hook: nobody else gets the address."""
    return _Claim(lambda: None if dry_run else observe(document, cluster.addresses))


def begin_update(document: Doc, old: Doc, cluster: Any, dry_run: bool) -> Claims:
    """Kind hook: its labels may have changed."""

    def again() -> None:
        _of(old, cluster.addresses, Addresses.unreserve)
        observe(document, cluster.addresses)

    return _Claim(lambda: None if dry_run else again())


def begin_delete(document: Doc, cluster: Any) -> Claims:
    """Kind hook: whoever asks may have it."""
    return _Claim(lambda: _of(document, cluster.addresses, Addresses.unreserve))


def observe(document: Doc, addresses: Mapping[Family, Addresses]) -> None:
    """Counts in a stored one."""
    if not is_allocators(document):
        _of(document, addresses, Addresses.reserve)


def _of(document: Doc, addresses: Mapping[Family, Addresses], act: Callable[[Addresses, str], None]) -> None:
    """What is to be done with the pool that has its address, if any has."""
    address = (document.get("metadata") or {}).get("name") or ""
    if pool := addresses.get(ip.family(address)):
        act(pool, address)


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
