"""Validation of clusterIP, clusterIPs, ipFamilies and ipFamilyPolicy.

Source: pkg/apis/core/validation/validation.go (ValidateServiceClusterIPsRelatedFields,
validateUpgradeDowngradeClusterIPs, validateUpgradeDowngradeIPFamilies).
"""

from collections.abc import Sequence

from portway.kubeapi import fault, ip
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.gates import GATES, Gates
from portway.kubeapi.service.document import NONE, cluster_ips, ip_families, is_headless, needs_cluster_ip

_IPS = "spec.clusterIPs"
_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")


def _linkage(spec: Doc) -> list[FieldError]:
    primary, addresses = spec.get("clusterIP"), cluster_ips(spec)
    if not primary:
        detail = "must be empty when `clusterIP` is not specified"
        return [fault.invalid(_IPS, addresses, detail)] if addresses else []
    if not addresses:
        return [fault.required(_IPS)]
    return [] if addresses[0] == primary else [fault.invalid(_IPS, addresses, "first value must match `clusterIP`")]


def _families(families: Sequence[str]) -> list[FieldError]:
    found = []
    for i, family in enumerate(families):
        if family not in ("IPv4", "IPv6"):
            found.append(fault.not_supported(f"spec.ipFamilies[{i}]", family, ("IPv4", "IPv6")))
        if family in families[:i]:
            found.append(fault.duplicate(f"spec.ipFamilies[{i}]", family))
    return found


def _policy(policy: str | None) -> list[FieldError]:
    if policy is None or policy in _POLICIES:
        return []
    return [fault.not_supported("spec.ipFamilyPolicy", policy, _POLICIES)]


def _addresses(addresses: Sequence[str], known: Sequence[str], gates: Gates) -> list[FieldError]:
    found = []
    for i, address in enumerate(addresses):
        if i == 0 and address == NONE:
            if len(addresses) > 1:
                found.append(fault.invalid(_IPS, addresses, "'None' must be the first and only value"))
        else:
            found += ip.validate_legacy(f"{_IPS}[{i}]", address, known, strict=gates.strict_ips)
    return found


def _matches(spec: Doc) -> list[FieldError]:
    """Each address is of the family named at its place."""
    if is_headless(spec):
        return []
    pairs = enumerate(zip(cluster_ips(spec), ip_families(spec), strict=False))
    return [
        fault.invalid(f"{_IPS}[{i}]", address, f"expected an {family} value as indicated by `ipFamilies[{i}]`")
        for i, (address, family) in pairs
        if family in ("IPv4", "IPv6") and ip.family(address) != family
    ]


def validate_cluster_ips(spec: Doc, before: Doc | None, gates: Gates = GATES) -> list[FieldError]:
    """The rules on create and update; also run before allocation. Nothing is said about ExternalName."""
    if not needs_cluster_ip(spec):
        return []
    addresses = cluster_ips(spec)
    found = _linkage(spec) + _families(ip_families(spec)) + _policy(spec.get("ipFamilyPolicy"))
    malformed = _addresses(addresses, cluster_ips(before) if before else (), gates)
    found += malformed
    if len(addresses) > 2:
        found.append(fault.invalid(_IPS, addresses, "may only hold up to 2 values"))
    if malformed:  # what follows would only confuse
        return found
    if len(addresses) > 1 and not _one_of_each(addresses):
        found.append(fault.invalid(_IPS, addresses, "may specify no more than one IP for each IP family"))
    return found + _matches(spec)


def _one_of_each(addresses: Sequence[str]) -> bool:
    """At least one of each family, as upstream asks; that there are only two is checked apart."""
    return ip.is_dual_stack(addresses)


def _released(field: str, spec: Doc) -> list[FieldError]:
    if spec.get("ipFamilyPolicy") == "SingleStack":
        return []
    detail = f"must be set to 'SingleStack' when releasing the secondary {field}"
    return [fault.invalid("spec.ipFamilyPolicy", spec.get("ipFamilyPolicy"), detail)]


def validate_cluster_ips_change(spec: Doc, before: Doc) -> list[FieldError]:
    """On update the primary clusterIP stays, and a secondary may only come or go."""
    if not needs_cluster_ip(spec) or not needs_cluster_ip(before) or (is_headless(spec) and is_headless(before)):
        return []
    new, old = cluster_ips(spec), cluster_ips(before)
    shown = new or None
    if len(new) == len(old):
        changed = [i for i, address in enumerate(old) if new[i] != address]
    else:
        changed = [0] if new and old and new[0] != old[0] else []
    found = [fault.invalid(f"{_IPS}[{i}]", shown, "may not change once set") for i in changed]
    if len(new) < len(old):
        if not new:
            return [fault.invalid(f"{_IPS}[0]", shown, "primary clusterIP can not be unset")]
        found += _released("clusterIP", spec) if len(new) == 1 else []
    return found


def validate_families_change(spec: Doc, before: Doc) -> list[FieldError]:
    """The same for ipFamilies; headless Services may change theirs.

    Upstream shows clusterIPs as the bad value when the numbers differ, and calls the primary family unset when
    clusterIPs is empty; both are kept.
    """
    if not needs_cluster_ip(spec) or not needs_cluster_ip(before) or is_headless(spec) or is_headless(before):
        return []
    field = "spec.ipFamilies[0]"
    new, old = ip_families(spec), ip_families(before)
    if len(new) == len(old):
        return [
            fault.invalid(field, new, "may not change once set") for i, family in enumerate(old) if new[i] != family
        ]
    found = []
    if len(new) < len(old) and not cluster_ips(spec):
        found.append(fault.invalid(field, new or None, "primary ipFamily can not be unset"))
    if new and old and new[0] != old[0]:
        found.append(fault.invalid(field, cluster_ips(spec) or None, "may not change once set"))
    if len(new) < len(old) and len(new) == 1:
        found += _released("ipFamily", spec)
    return found
