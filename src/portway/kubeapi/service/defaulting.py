"""What a Service's fields are when nobody says: v1 defaulting, and completion of old objects on read.

Source: pkg/apis/core/v1/defaults.go (SetDefaults_Service) and pkg/registry/core/service/storage (defaultOnRead).
"""

from collections.abc import Sequence

from portway.kubeapi import ip
from portway.kubeapi.errors import Doc
from portway.kubeapi.service.document import (
    NONE,
    cluster_ips,
    ip_families,
    is_externally_accessible,
    is_load_balancer,
    needs_cluster_ip,
    ports_of,
    put,
    spec_of,
    type_of,
)
from portway.kubeapi.service.normalize import normalize_cluster_ips
from portway.model import Family

SESSION_AFFINITY_SECONDS = 10800
"""ClientIP affinity lasts three hours unless told otherwise."""


def _default_affinity(spec: Doc) -> None:
    spec["sessionAffinity"] = affinity = spec.get("sessionAffinity") or NONE
    if affinity == NONE:
        spec.pop("sessionAffinityConfig", None)
    elif affinity == "ClientIP":
        config = spec["sessionAffinityConfig"] = spec.get("sessionAffinityConfig") or {}
        client_ip = config["clientIP"] = config.get("clientIP") or {}
        if client_ip.get("timeoutSeconds") is None:
            client_ip["timeoutSeconds"] = SESSION_AFFINITY_SECONDS


def _default_port(port: Doc) -> None:
    port["protocol"] = port.get("protocol") or "TCP"
    port["targetPort"] = port.get("targetPort") or port.get("port", 0)


def _default_policies(spec: Doc) -> None:
    if is_externally_accessible(spec) and not spec.get("externalTrafficPolicy"):
        spec["externalTrafficPolicy"] = "Cluster"
    known = type_of(spec) in ("ClusterIP", "NodePort", "LoadBalancer")
    if known and spec.get("internalTrafficPolicy") is None:
        spec["internalTrafficPolicy"] = "Cluster"
    if is_load_balancer(spec) and spec.get("allocateLoadBalancerNodePorts") is None:
        spec["allocateLoadBalancerNodePorts"] = True


def _default_ip_modes(service: Doc) -> None:
    status = service.get("status") or {}
    for ingress in (status.get("loadBalancer") or {}).get("ingress") or []:
        if ingress.get("ip") and ingress.get("ipMode") is None:
            ingress["ipMode"] = "VIP"


def default(service: Doc) -> None:
    """Kind hook: fills a decoded Service in place. Doing it twice changes nothing."""
    spec = spec_of(service)
    _default_affinity(spec)
    spec["type"] = type_of(spec) or "ClusterIP"
    for port in ports_of(spec):
        _default_port(port)
    _default_policies(spec)
    if is_load_balancer(spec):
        _default_ip_modes(service)


def other_family(family: str) -> Family:
    """The one that it is not."""
    return "IPv4" if family == "IPv6" else "IPv6"


def _families_on_read(spec: Doc, primary: Family) -> tuple[list[str], str]:
    """ipFamilies and ipFamilyPolicy that an object from before dual-stack implies."""
    if spec.get("clusterIP") != NONE:
        families: list[str] = [ip.family(address) for address in cluster_ips(spec)]
        return families, {1: "SingleStack", 2: "RequireDualStack"}.get(len(families), "")
    if spec.get("selector"):
        return [primary], "SingleStack"
    return [primary, other_family(primary)], "RequireDualStack"


def default_on_read(service: Doc, families: Sequence[Family]) -> None:
    """Completes what older versions stored without; `families` are the cluster's, primary first."""
    spec = spec_of(service)
    normalize_cluster_ips(service, None)
    if not needs_cluster_ip(spec):
        spec.pop("internalTrafficPolicy", None)
    elif not ip_families(spec):
        implied, policy = _families_on_read(spec, families[0])
        put(spec, "ipFamilies", implied)
        if policy:
            spec["ipFamilyPolicy"] = policy
