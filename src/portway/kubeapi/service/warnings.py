"""What kubectl prints as `Warning:` about a Service. Source: pkg/api/service/warnings.go."""

from portway.kubeapi import ip
from portway.kubeapi.errors import Doc
from portway.kubeapi.service.document import NONE, annotations, cluster_ips, spec_of, type_of

_HINTS = "service.kubernetes.io/topology-aware-hints"
_MODE = "service.kubernetes.io/topology-mode"


def _headless(spec: Doc) -> list[str]:
    checks = (
        (bool(spec.get("loadBalancerIP")), "spec.loadBalancerIP is ignored for headless services"),
        (bool(spec.get("externalIPs")), "spec.externalIPs is ignored for headless services"),
        (spec.get("sessionAffinity", "") != NONE, "spec.SessionAffinity is ignored for headless services"),
    )
    return [message for applies, message in checks if applies]


def _spelling(spec: Doc, field: str) -> list[str]:
    return [
        text for i, address in enumerate(spec.get(field) or ()) for text in ip.warnings(f"spec.{field}[{i}]", address)
    ]


def _source_ranges(spec: Doc) -> list[str]:
    field = "spec.loadBalancerSourceRanges"
    ranges = enumerate(spec.get("loadBalancerSourceRanges") or ())
    return [text for i, cidr in ranges for text in ip.cidr_warnings(f"{field}[{i}]", cidr)]


def _ignored(spec: Doc) -> list[str]:
    is_external = type_of(spec) == "ExternalName"
    if is_external and spec.get("externalIPs"):
        return ['spec.externalIPs is ignored when spec.type is "ExternalName"']
    if not is_external and spec.get("externalName"):
        return ['spec.externalName is ignored when spec.type is not "ExternalName"']
    return []


def warnings(service: Doc, old: Doc | None) -> list[str]:
    """Kind hook."""
    spec = spec_of(service)
    headless = type_of(spec) == "ClusterIP" and spec.get("clusterIP") == NONE
    found = []
    if _HINTS in annotations(service):
        found.append(f"annotation {_HINTS} is deprecated, please use {_MODE} instead")
    if spec.get("clusterIP") not in (None, "", NONE) and cluster_ips(spec):
        found += _spelling(spec, "clusterIPs")
    found += _headless(spec) if headless else []
    found += _spelling(spec, "externalIPs")
    if spec.get("externalIPs") and not headless and type_of(spec) != "ExternalName":
        found.append("spec.externalIPs is deprecated and may no longer be implemented in some clusters")
    found += ip.warnings("spec.loadBalancerIP", spec.get("loadBalancerIP") or "")
    found += _source_ranges(spec) + _ignored(spec)
    if spec.get("trafficDistribution") == "PreferClose":
        found.append('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"')
    return found
