"""Which pods stand behind a Service, and what of each goes into its endpoints: shared by slices and Endpoints.

Source: k8s.io/endpointslice utils.go and util/controller_utils.go; research: EndpointSlice controller 4.1-4.3.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

from portway.kubeapi.errors import Doc
from portway.model import family_of
from portway.reconcile.objects import (
    has_ended,
    is_deleting,
    is_ready,
    labels_of,
    meta,
    name_of,
    namespace_of,
    spec_of,
    status_of,
    uid_of,
)

ZONE = "topology.kubernetes.io/zone"


def has_cluster_ip(service: Doc) -> bool:
    """Neither headless nor without an address (IsServiceIPSet)."""
    return spec_of(service).get("clusterIP") not in (None, "", "None")


def publishes_not_ready(service: Doc) -> bool:
    """spec.publishNotReadyAddresses."""
    return bool(spec_of(service).get("publishNotReadyAddresses"))


def is_managed(service: Doc) -> bool:
    """Whether endpoints are computed from pods: it has a selector and is not an ExternalName."""
    spec = spec_of(service)
    return spec.get("type") != "ExternalName" and spec.get("selector") is not None


def address_types(service: Doc) -> list[str]:
    """The families for which there are slices: spec.ipFamilies, else clusterIP's, else (headless) both."""
    families: list[str] = spec_of(service).get("ipFamilies") or []
    if families:
        return families
    if has_cluster_ip(service):
        return [family_of(spec_of(service)["clusterIP"])]
    return ["IPv4", "IPv6"]


def belongs(pod: Doc, *, terminating: bool = True) -> bool:
    """Whether a selected pod may be an endpoint at all. `terminating`: also while it is being deleted."""
    if has_ended(pod) or not pod_addresses(pod):
        return False
    return terminating or not is_deleting(pod)


def pod_addresses(pod: Doc) -> list[str]:
    """status.podIPs, or podIP alone."""
    status = status_of(pod)
    listed = [entry["ip"] for entry in status.get("podIPs") or [] if entry.get("ip")]
    return listed or [ip for ip in [status.get("podIP")] if ip]


def addresses_of_family(pod: Doc, family: str) -> list[str]:
    """The pod's addresses of one family, canonical."""
    return [_canonical(ip) for ip in pod_addresses(pod) if family_of(ip) == family]


def _canonical(ip: str) -> str:
    """What is no address is left as it is: refusing it is the API server's business."""
    try:
        return str(ipaddress.ip_address(ip))
    except ValueError:
        return ip


def hostname(pod: Doc, service: Doc) -> str:
    """The endpoint's own name in DNS: spec.hostname, when spec.subdomain is this Service."""
    spec = spec_of(pod)
    same = spec.get("subdomain") == name_of(service) and namespace_of(pod) == namespace_of(service)
    return str(spec.get("hostname") or "") if same else ""


def target_reference(pod: Doc) -> Doc:
    """targetRef of an endpoint."""
    reference = {"kind": "Pod", "namespace": namespace_of(pod), "name": name_of(pod), "uid": uid_of(pod)}
    return {key: value for key, value in reference.items() if value}


def find_port(pod: Doc, service_port: Doc) -> int | None:
    """The number that targetPort means on this pod; None when no container declares that name and protocol."""
    target = service_port.get("targetPort", service_port.get("port", 0))
    if isinstance(target, int):
        return target
    protocol = service_port.get("protocol") or "TCP"
    for port in declared_ports(pod):
        if port.get("name") == target and (port.get("protocol") or "TCP") == protocol:
            return port.get("containerPort")
    return None


def declared_ports(pod: Doc) -> Iterable[Doc]:
    """Those of its containers and sidecars, in the order in which names are looked up."""
    spec = spec_of(pod)
    sidecars = [c for c in spec.get("initContainers") or [] if c.get("restartPolicy") == "Always"]
    return (port for c in [*(spec.get("containers") or []), *sidecars] for port in c.get("ports") or [])


def endpoint_ports(pod: Doc, service: Doc) -> list[Doc]:
    """EndpointPorts of this pod; a port that cannot be resolved is left out."""
    ports = []
    for service_port in spec_of(service).get("ports") or []:
        number = find_port(pod, service_port)
        if number is not None:
            ports.append(_endpoint_port(service_port, number))
    return ports


def _endpoint_port(service_port: Doc, number: int) -> Doc:
    port = {
        "name": service_port.get("name") or "",
        "protocol": service_port.get("protocol") or "TCP",
        "port": number,
    }
    return port | {"appProtocol": service_port["appProtocol"]} if service_port.get("appProtocol") else port


def endpoint(pod: Doc, node: Doc | None, service: Doc, family: str) -> Doc:
    """The Endpoint of one pod in a slice; `node` None: its zone is not known."""
    serving, terminating = is_ready(pod), is_deleting(pod)
    result: dict[str, Any] = {
        "addresses": addresses_of_family(pod, family),
        "conditions": {
            "ready": publishes_not_ready(service) or (serving and not terminating),
            "serving": serving,
            "terminating": terminating,
        },
        "targetRef": target_reference(pod),
    }
    optional = {
        "nodeName": spec_of(pod).get("nodeName"),
        "zone": labels_of(node).get(ZONE) if node else None,
        "hostname": hostname(pod, service),
    }
    return result | {name: value for name, value in optional.items() if value}


def shows_in_endpoints(old: Doc, new: Doc) -> bool:
    """Whether a change of a pod can change endpoints that it is in (k8s podEndpointsChanged); labels aside."""
    if is_deleting(old) != is_deleting(new) or is_ready(old) != is_ready(new):
        return True
    if has_ended(old) != has_ended(new) or uid_of(old) != uid_of(new):
        return True
    return pod_addresses(old) != pod_addresses(new) or _placed(old) != _placed(new)


def _placed(pod: Doc) -> tuple[str, str]:
    """What is read of it that may change with an address in place (names only come with a new pod)."""
    spec = spec_of(pod)
    return spec.get("hostname") or "", spec.get("subdomain") or ""


def service_labels(service: Doc, reserved: Mapping[str, str]) -> dict[str, str]:
    """The Service's labels without those that only the controller sets."""
    return {key: value for key, value in labels_of(service).items() if key not in reserved}


def trigger_annotation(document: Doc, trigger_time: str) -> dict[str, str]:
    """Its annotations with last-change-trigger-time set, or removed when there is no time."""
    kept = {k: v for k, v in (meta(document).get("annotations") or {}).items() if k != TRIGGER_TIME}
    return kept | {TRIGGER_TIME: trigger_time} if trigger_time else kept


TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"
