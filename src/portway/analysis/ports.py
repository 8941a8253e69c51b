"""The table people want: every Service port, where it leads, and who stands behind it."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from portway.model import Endpoint, EndpointPort, EndpointSlice, Service, ServicePort, Snapshot


class PortRow(Struct, frozen=True, rename="camel"):
    """One ServicePort's way: `nodePort → port → targetPort`, and its backends."""

    namespace: str
    service: str
    type: str
    cluster_ips: tuple[str, ...]
    """Empty for ExternalName; ("None",) for headless."""
    port_name: str
    protocol: str
    port: int
    target_port: int | str
    """As written in the Service."""
    resolved: tuple[int, ...]
    """The numbers that the pods behind it give for target_port, ascending."""
    node_port: int
    ready: int
    """Backends that get traffic."""
    total: int
    load_balancer_ips: tuple[str, ...] = ()
    """The addresses of a Service of type LoadBalancer; empty while it is pending."""


def rows(snapshot: Snapshot) -> tuple[PortRow, ...]:
    """All Service ports, by namespace, name and the order of `spec.ports`."""
    slices = _slices_by_service(snapshot.slices.values())
    services = sorted(snapshot.services.values(), key=lambda service: (service.namespace, service.name))
    return tuple(
        _row(service, port, slices.get((service.namespace, service.name), ()))
        for service in services
        for port in service.ports
    )


def _slices_by_service(slices: Iterable[EndpointSlice]) -> Mapping[tuple[str, str], list[EndpointSlice]]:
    by_service: dict[tuple[str, str], list[EndpointSlice]] = {}
    for item in slices:
        by_service.setdefault((item.namespace, item.service), []).append(item)
    return by_service


def _row(service: Service, port: ServicePort, slices: Iterable[EndpointSlice]) -> PortRow:
    behind = list(_behind(port, slices))
    ready = {_identity(endpoint) for _, endpoint in behind if endpoint.ready}
    return PortRow(
        namespace=service.namespace,
        service=service.name,
        type=service.type,
        cluster_ips=("None",) if service.headless else service.cluster_ips,
        port_name=port.name,
        protocol=port.protocol,
        port=port.port,
        target_port=port.target_port,
        resolved=tuple(sorted({number.port for number, _ in behind})),
        node_port=port.node_port,
        ready=len(ready),
        total=len({_identity(endpoint) for _, endpoint in behind}),
        load_balancer_ips=service.load_balancer_ips,
    )


def _behind(port: ServicePort, slices: Iterable[EndpointSlice]) -> Iterable[tuple[EndpointPort, Endpoint]]:
    """A slice's port belongs to a ServicePort of the same name and protocol."""
    for item in slices:
        for number in item.ports:
            if (number.name, number.protocol) == (port.name, port.protocol):
                yield from ((number, endpoint) for endpoint in item.endpoints)


def _identity(endpoint: Endpoint) -> str:
    """A dual-stack pod has an endpoint in each family and is still one backend."""
    return endpoint.target or endpoint.address
