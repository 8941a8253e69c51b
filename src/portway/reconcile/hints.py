"""Topology hints of endpoints under spec.trafficDistribution, unless the topology annotations overrule it.

Source: k8s.io/endpointslice trafficdist; research 4.6. A ready endpoint is hinted at its own zone, and under
PreferSameNode at its own node as well; endpoints that are not ready keep what they have.
"""

from collections.abc import Sequence

from portway.kubeapi.errors import Doc
from portway.reconcile.objects import annotations_of, spec_of

ZONAL = ("PreferClose", "PreferSameZone")
NODAL = "PreferSameNode"


def topology_mode_auto(annotations: dict[str, str]) -> bool:
    """Whether the topology annotations ask for Auto, in which case trafficDistribution is ignored."""
    for name in ("service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"):
        if name in annotations:
            return annotations[name] in ("Auto", "auto")
    return False


def distribution_of(service: Doc) -> str:
    """The trafficDistribution in force; "" when there is none or the annotations overrule it."""
    chosen = spec_of(service).get("trafficDistribution") or ""
    if topology_mode_auto(annotations_of(service)):
        return ""
    return chosen if chosen in (*ZONAL, NODAL) else ""


def hinted(endpoints: Sequence[Doc], distribution: str) -> list[Doc]:
    """The endpoints with the hints they should have; those that are right are the very same objects."""
    return [_hinted(endpoint, distribution) for endpoint in endpoints]


def _hinted(endpoint: Doc, distribution: str) -> Doc:
    if not distribution:
        return _with(endpoint, {})
    if not (endpoint.get("conditions") or {}).get("ready"):
        return endpoint
    hints: Doc = {}
    if endpoint.get("zone"):
        hints["forZones"] = [{"name": endpoint["zone"]}]
    if distribution == NODAL and endpoint.get("nodeName"):
        hints["forNodes"] = [{"name": endpoint["nodeName"]}]
    return _with(endpoint, hints)


def _with(endpoint: Doc, hints: Doc) -> Doc:
    if (endpoint.get("hints") or {}) == hints:
        return endpoint
    bare = {key: value for key, value in endpoint.items() if key != "hints"}
    return bare | {"hints": hints} if hints else bare
