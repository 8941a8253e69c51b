"""The life of a ServiceCIDR in the API: hooks of its Kind.

Source: pkg/apis/networking/validation/validation.go (ValidateServiceCIDR); KEP-1880.
"""

from collections.abc import Sequence

from portway.kubeapi import fault, ip
from portway.kubeapi.errors import Doc, FieldError
from portway.model import family_of

FINALIZER = "networking.k8s.io/service-cidr-finalizer"
"""Keeps one from going while Services have addresses of it."""
_FIELD = "spec.cidrs"
_IMMUTABLE = "field is immutable"


def prepare_create(document: Doc) -> None:
    """Kind hook: a new ServiceCIDR has no status."""
    document["status"] = {}


def prepare_update(document: Doc, old: Doc) -> None:
    """Kind hook: keeps the old status."""
    document["status"] = old.get("status") or {}


def _cidrs(document: Doc) -> list[str]:
    return (document.get("spec") or {}).get("cidrs") or []


def serving(document: Doc) -> list[str]:
    """The CIDRs that Services get addresses of by it: all, unless it goes or somebody says that it is not ready."""
    if (document.get("metadata") or {}).get("deletionTimestamp"):
        return []
    conditions = (document.get("status") or {}).get("conditions") or []
    refused = any(one.get("type") == "Ready" and one.get("status") != "True" for one in conditions)
    return [] if refused else _cidrs(document)


def _validate(cidrs: Sequence[str]) -> list[FieldError]:
    if not cidrs:
        return [fault.required(_FIELD, "at least one CIDR required")]
    if len(cidrs) > 2:
        return [fault.invalid(_FIELD, {"CIDRs": cidrs}, "may only hold up to 2 values")]
    found = [error for i, cidr in enumerate(cidrs) for error in ip.validate_strict_cidr(f"{_FIELD}[{i}]", cidr)]
    families = [family_of(cidr.network) if (cidr := ip.parse_cidr(text)) else "" for text in cidrs]
    if len(cidrs) == 2 and families[0] and families[0] == families[1]:
        detail = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        found.append(fault.invalid(_FIELD, cidrs, detail))
    return found


def validate(document: Doc, old: Doc | None) -> list[FieldError]:
    """Kind hook: one CIDR, or one of each family; an update may only add the second."""
    cidrs = _cidrs(document)
    if old is None:
        return _validate(cidrs)
    before = _cidrs(old)
    changed = [i for i, cidr in enumerate(before) if i < len(cidrs) and cidrs[i] != cidr]
    found = [fault.invalid(f"{_FIELD}[{i}]", cidrs[i], _IMMUTABLE) for i in changed]
    if len(cidrs) == len(before):
        return found
    if (len(before), len(cidrs)) == (1, 2):
        return found + _validate(cidrs)
    return [fault.invalid(_FIELD, cidrs or None, _IMMUTABLE)]
