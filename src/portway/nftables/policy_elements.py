"""What the entries of a PolicyTable are as elements.

Each function gives (container, key, value); value None where there is no such element, as for entries that go.
"""

from collections.abc import Iterator

from portway.nftables.datatype import address_bytes, comparable, native, service_bytes
from portway.nftables.policy_structure import PORT_KEY, judged
from portway.policy.table import ANYBODY, OTHER_PROTOCOLS, AddressRange, Constrained, Pair, PortRange

Entry = tuple[str, bytes, bytes | None]
_JUDGED = {way + family[-1]: judged(way, family) for way in ("ingress", "egress") for family in ("IPv4", "IPv6")}
_TYPES = tuple(operand.type for operand in PORT_KEY)
_PAIRS = {direction: direction.lower() for direction in ("Ingress", "Egress")}


def _digit(address: str) -> str:
    return "6" if ":" in address else "4"


def of_pod(address: str, constrained: Constrained | None, hairpin_judged: bool) -> Iterator[Entry]:
    """A pod of this node; None when it goes."""
    d, key = _digit(address), address_bytes(address)
    for way, wanted in (
        ("ingress", constrained and constrained.ingress),
        ("egress", constrained and constrained.egress),
    ):
        yield way + d, key, _JUDGED[way + d] if wanted else None
    yield hairpin(address, constrained is not None and not hairpin_judged)
    yield "pods" + d, key, None if constrained is None else b""


def hairpin(address: str, passes: bool) -> Entry:
    """Whether the pod may talk to itself through a Service without being judged."""
    key = address_bytes(address)
    return "hairpin_pods" + _digit(address), key + key, b"" if passes else None


def own_node(address: str, listed: bool) -> Entry:
    """One of the node's own addresses."""
    return "own_node" + _digit(address), address_bytes(address), b"" if listed else None


def _number(number: int | None) -> bytes | None:
    return None if number is None else native(number)


def of_class(address: str, number: int | None) -> Entry:
    """The class of a pod of the cluster."""
    return "classes" + _digit(address), address_bytes(address), _number(number)


def of_range(addresses: AddressRange, number: int | None) -> Entry:
    """The class of other addresses."""
    key = address_bytes(addresses.first) + address_bytes(addresses.last)
    return "class_ranges" + _digit(addresses.first), key, _number(number)


def of_pair(pair: Pair, port_set: int | None) -> Entry:
    """The port set of a pod and a class, or and anybody."""
    direction, address, other = pair
    d, key, way = _digit(address), address_bytes(address), _PAIRS[direction]
    if other == ANYBODY:
        return f"{way}_anybody{d}", key, _number(port_set)
    return f"{way}_pairs{d}", key + native(other), _number(port_set)


def of_ports(ports: PortRange, allowed: bool | None) -> Entry:
    """Ports of a port set."""
    port_set, protocol, first, last = ports
    value = b"" if allowed else None
    if protocol == OTHER_PROTOCOLS:
        return "allowed_other_protocols", native(port_set), value
    if first == last:
        return "allowed_ports", native(port_set) + service_bytes(protocol, first), value
    ends = (comparable(_TYPES, native(port_set) + service_bytes(protocol, port)) for port in (first, last))
    return "allowed_port_ranges", b"".join(ends), value
