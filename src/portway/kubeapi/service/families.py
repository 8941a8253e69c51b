"""ipFamilies and ipFamilyPolicy: inferred from what is given, completed from what the cluster has.

Source: pkg/registry/core/service/storage/alloc.go (initIPFamilyFields); KEP-563.
"""

from collections.abc import Sequence

from portway.kubeapi import fault, ip
from portway.kubeapi.errors import ApiError, Doc, FieldError, invalid
from portway.kubeapi.gates import GATES, Gates
from portway.kubeapi.service.cluster_ips import validate_cluster_ips
from portway.kubeapi.service.defaulting import other_family
from portway.kubeapi.service.document import NONE, cluster_ips, ip_families, spec_of, type_of
from portway.model import Family

_POLICY = "spec.ipFamilyPolicy"
_SEVERAL = "must be 'RequireDualStack' or 'PreferDualStack' when multiple {} are specified"


def keeps_prefer_dual_stack(spec: Doc, before: Doc | None) -> bool:
    """A PreferDualStack Service is neither upgraded nor downgraded because the cluster changed."""
    if before is None or spec.get("ipFamilyPolicy") != "PreferDualStack":
        return False
    return (
        type_of(spec) == type_of(before)
        and type_of(spec) in ("ClusterIP", "NodePort", "LoadBalancer")
        and before.get("ipFamilyPolicy") in (None, "PreferDualStack")
        and cluster_ips(spec) == cluster_ips(before)
        and ip_families(spec) == ip_families(before)
    )


def _is_free_headless(spec: Doc) -> bool:
    """Headless without selector: whoever writes its endpoints may use any family."""
    return spec.get("clusterIP") == NONE and not spec.get("selector")


def _policy(spec: Doc, before: Doc | None) -> str:
    given = spec.get("ipFamilyPolicy") or (before or {}).get("ipFamilyPolicy")
    return given or ("RequireDualStack" if _is_free_headless(spec) else "SingleStack")


def _reduce_to_single_stack(spec: Doc, before: Doc) -> None:
    """SingleStack with both lists as they were is clear intent: the secondaries go."""
    if cluster_ips(spec) == cluster_ips(before) and len(cluster_ips(spec)) > 1:
        spec["clusterIPs"] = cluster_ips(spec)[:1]
    if ip_families(spec) == ip_families(before) and len(ip_families(spec)) > 1:
        spec["ipFamilies"] = ip_families(spec)[:1]


def _reductions(spec: Doc, before: Doc) -> list[FieldError]:
    pairs = (
        (cluster_ips(spec), cluster_ips(before), "must be 'SingleStack' to release the secondary cluster IP"),
        (ip_families(spec), ip_families(before), "must be 'SingleStack' to release the secondary IP family"),
    )
    policy = spec["ipFamilyPolicy"]
    return [fault.invalid(_POLICY, policy, message) for new, old, message in pairs if 0 < len(new) < len(old)]


def _contradictions(spec: Doc, before: Doc | None) -> list[FieldError]:
    """A policy that does not fit the numbers of addresses and families."""
    policy = spec["ipFamilyPolicy"]
    if policy != "SingleStack":
        return _reductions(spec, before) if before is not None else []
    if before is not None:
        _reduce_to_single_stack(spec, before)
    pairs = ((cluster_ips(spec), "cluster IPs"), (ip_families(spec), "IP families"))
    return [fault.invalid(_POLICY, policy, _SEVERAL.format(what)) for given, what in pairs if len(given) == 2]


def _infer_families(spec: Doc, cluster: Sequence[Family]) -> list[FieldError]:
    """Families of the addresses given, where none are stated."""
    addresses = cluster_ips(spec)
    found = []
    for i, address in enumerate(addresses if NONE not in addresses else []):
        family = ip.family(address)
        if i < len(ip_families(spec)):
            continue
        if family in cluster:
            spec["ipFamilies"] = [*ip_families(spec), family]
        else:
            found.append(
                fault.invalid(f"spec.clusterIPs[{i}]", addresses, f"{family} is not configured on this cluster")
            )
    return found


def _unavailable(spec: Doc, cluster: Sequence[Family]) -> list[FieldError]:
    found = []
    if spec["ipFamilyPolicy"] == "RequireDualStack" and len(cluster) < 2:
        why = "this cluster is not configured for dual-stack services"
        found.append(fault.invalid(_POLICY, spec["ipFamilyPolicy"], why))
    return found + [
        fault.invalid(f"spec.ipFamilies[{i}]", family, "not configured on this cluster")
        for i, family in enumerate(ip_families(spec))
        if family not in cluster
    ]


def _fill(spec: Doc, cluster: Sequence[Family], may_add: bool) -> None:
    families = ip_families(spec) or [cluster[0]]
    if may_add and spec["ipFamilyPolicy"] != "SingleStack" and len(families) == 1:
        families = [families[0], other_family(families[0])]
    spec["ipFamilies"] = families


def _refusal(service: Doc, found: list[FieldError]) -> ApiError:
    return invalid("Service", (service.get("metadata") or {}).get("name", ""), found)


def init_families(service: Doc, old: Doc | None, cluster: Sequence[Family], gates: Gates = GATES) -> None:
    """Completes ipFamilies and ipFamilyPolicy in place; `cluster` lists its families, primary first.

    Raises ApiError 422 when what is given contradicts itself or the cluster.
    """
    spec = spec_of(service)
    before = spec_of(old) if old is not None else None
    if type_of(spec) == "ExternalName" or keeps_prefer_dual_stack(spec, before):
        return
    spec["ipFamilyPolicy"] = _policy(spec, before)
    if found := validate_cluster_ips(spec, before, gates):
        raise _refusal(service, found)
    if found := _contradictions(spec, before) + _infer_families(spec, cluster):
        raise _refusal(service, found)
    if _is_free_headless(spec):
        _fill(spec, cluster, may_add=True)
        return
    if found := _unavailable(spec, cluster):
        raise _refusal(service, found)
    _fill(spec, cluster, may_add=len(cluster) == 2)
