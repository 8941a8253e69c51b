"""Services, their endpoints, and the other kinds of networking."""

import json
from collections.abc import Iterator

from portway.kubeapi.errors import Doc
from portway.kubeapi.kinds import Column
from portway.kubeapi.printing.cell import (
    AGE,
    NAME,
    NONE,
    UNSET,
    at,
    column,
    condition,
    labels_text,
    listed,
    name_of,
    selector_text,
    text,
    value,
    wide,
)
from portway.model.address import host_port


def _cluster_ip(doc: Doc) -> str:
    addresses = value(doc, "spec", "clusterIPs") or [value(doc, "spec", "clusterIP")]
    return addresses[0] or NONE


def ingress_addresses(doc: Doc) -> list[str]:
    """The distinct addresses, or else names, that a load balancer gave."""
    points = value(doc, "status", "loadBalancer", "ingress") or ()
    return sorted({point.get("ip") or point.get("hostname") for point in points} - {None, ""})


def _external_ip(doc: Doc) -> str:
    kind, external = value(doc, "spec", "type"), value(doc, "spec", "externalIPs") or []
    if kind == "ExternalName":
        return value(doc, "spec", "externalName") or ""
    if kind == "LoadBalancer":
        return ",".join(ingress_addresses(doc) + external) or "<pending>"
    return ",".join(external) or NONE


def _ports(doc: Doc) -> str:
    return ",".join(map(_port, value(doc, "spec", "ports") or ())) or NONE


def _port(port: Doc) -> str:
    number = f"{port.get('port')}:{port['nodePort']}" if port.get("nodePort") else f"{port.get('port')}"
    return f"{number}/{port.get('protocol', 'TCP')}"


def _endpoints(doc: Doc) -> str:
    return listed(_addresses(doc), 3, NONE if not doc.get("subsets") else "")


def _addresses(doc: Doc) -> Iterator[str]:
    for subset in doc.get("subsets") or ():
        addresses = [address.get("ip", "") for address in subset.get("addresses") or ()]
        if not subset.get("ports"):
            yield from addresses
        for port in subset.get("ports") or ():
            yield from (host_port(ip, port["port"]) for ip in addresses)


def _slice_ports(doc: Doc) -> str:
    return listed((str(port.get("port") or port.get("name") or "*") for port in doc.get("ports") or ()), 3, UNSET)


def _slice_endpoints(doc: Doc) -> str:
    addresses = (address for endpoint in doc.get("endpoints") or () for address in endpoint.get("addresses") or ())
    return listed(addresses, 3, UNSET)


def _hosts(doc: Doc) -> str:
    rules = value(doc, "spec", "rules") or ()
    hosts = [rule["host"] for rule in rules if rule.get("host")]
    return listed(hosts, 3, "*", len(rules) if len(hosts) > 3 else len(hosts))


def _is_default(doc: Doc) -> bool:
    annotations = value(doc, "metadata", "annotations") or {}
    return annotations.get("ingressclass.kubernetes.io/is-default-class") == "true"


def _parameters(doc: Doc) -> str:
    parameters = value(doc, "spec", "parameters")
    if not parameters:
        return NONE
    group = f".{parameters['apiGroup']}" if parameters.get("apiGroup") is not None else ""
    return f"{parameters.get('kind', '')}{group}/{parameters.get('name', '')}"


def _parent(doc: Doc) -> str:
    parent = value(doc, "spec", "parentRef")
    if not parent:
        return NONE
    resource = ".".join(part for part in (parent.get("resource"), parent.get("group")) if part)
    return "/".join(part for part in (resource.lower(), parent.get("namespace"), parent.get("name")) if part)


def _json(found: object) -> str:
    """As tables of custom resources show lists."""
    return json.dumps(found, separators=(",", ":")) if found else ""


def _gateway_addresses(doc: Doc) -> str:
    return " ".join(address.get("value", "") for address in value(doc, "status", "addresses") or ())


_ROUTE_COLUMNS = (NAME, column("Hostnames", text(lambda doc: _json(value(doc, "spec", "hostnames")))), AGE)


def _announced_columns(node: str) -> tuple[Column, ...]:
    """Of a Service's status by a node, as MetalLB prints it."""
    return (
        NAME,
        column(node, at("status", "node")),
        column("Service Name", at("status", "serviceName")),
        column("Service Namespace", at("status", "serviceNamespace")),
    )


COLUMNS = {
    "Service": (
        NAME,
        column("Type", at("spec", "type")),
        column("Cluster-IP", text(_cluster_ip)),
        column("External-IP", text(_external_ip)),
        column("Port(s)", text(_ports)),
        AGE,
        wide("Selector", text(lambda doc: labels_text(value(doc, "spec", "selector")))),
    ),
    "Endpoints": (NAME, column("Endpoints", text(_endpoints)), AGE),
    "EndpointSlice": (
        NAME,
        column("AddressType", at("addressType")),
        column("Ports", text(_slice_ports)),
        column("Endpoints", text(_slice_endpoints)),
        AGE,
    ),
    "Ingress": (
        NAME,
        column("Class", at("spec", "ingressClassName", absent=NONE)),
        column("Hosts", text(_hosts)),
        column("Address", text(lambda doc: ",".join(ingress_addresses(doc)))),
        column("Ports", text(lambda doc: "80, 443" if value(doc, "spec", "tls") else "80")),
        AGE,
    ),
    "IngressClass": (
        Column("Name", text(lambda doc: name_of(doc) + (" (default)" if _is_default(doc) else "")), format="name"),
        column("Controller", at("spec", "controller")),
        column("Parameters", text(_parameters)),
        AGE,
    ),
    "NetworkPolicy": (
        NAME,
        column("Pod-Selector", text(lambda doc: selector_text(value(doc, "spec", "podSelector")))),
        AGE,
    ),
    "ClusterNetworkPolicy": (
        NAME,
        column("Tier", at("spec", "tier")),
        column("Priority", text(lambda doc: str(value(doc, "spec", "priority")))),
        AGE,
    ),
    "IPAddressPool": (
        NAME,
        column("Auto Assign", at("spec", "autoAssign"), "boolean"),
        column("Avoid Buggy IPs", at("spec", "avoidBuggyIPs"), "boolean"),
        column("Addresses", text(lambda doc: _json(value(doc, "spec", "addresses")))),
        wide("Assigned IPv4", at("status", "assignedIPv4", absent=0)),
        wide("Available IPv4", at("status", "availableIPv4", absent=0)),
        wide("Assigned IPv6", at("status", "assignedIPv6", absent=0)),
        wide("Available IPv6", at("status", "availableIPv6", absent=0)),
    ),
    "L2Advertisement": (
        NAME,
        column("IPAddressPools", text(lambda doc: _json(value(doc, "spec", "ipAddressPools")))),
        column("IPAddressPool Selectors", text(lambda doc: _json(value(doc, "spec", "ipAddressPoolSelectors")))),
        column("Interfaces", text(lambda doc: _json(value(doc, "spec", "interfaces")))),
        wide("Node Selectors", text(lambda doc: _json(value(doc, "spec", "nodeSelectors")))),
    ),
    "ServiceL2Status": _announced_columns("Allocated Node"),
    "ServiceBGPStatus": _announced_columns("Node"),
    "GatewayClass": (
        NAME,
        column("Controller", at("spec", "controllerName")),
        column("Accepted", text(lambda doc: condition(doc, "Accepted").get("status", ""))),
        AGE,
        wide("Description", at("spec", "description")),
    ),
    "Gateway": (
        NAME,
        column("Class", at("spec", "gatewayClassName")),
        column("Address", text(_gateway_addresses)),
        column("Programmed", text(lambda doc: condition(doc, "Programmed").get("status", ""))),
        AGE,
    ),
    "ListenerSet": (
        NAME,
        column("Accepted", text(lambda doc: condition(doc, "Accepted").get("status", ""))),
        column("Programmed", text(lambda doc: condition(doc, "Programmed").get("status", ""))),
        AGE,
    ),
    "HTTPRoute": _ROUTE_COLUMNS,
    "GRPCRoute": _ROUTE_COLUMNS,
    "ServiceCIDR": (NAME, column("CIDRs", text(lambda doc: ",".join(value(doc, "spec", "cidrs") or ()))), AGE),
    "IPAddress": (NAME, column("ParentRef", text(_parent)), AGE),
}
