"""What a table does with a connection: its meaning, plainly. The node's rules do the same with maps."""

import ipaddress
from collections.abc import Iterator

from portway.model import Connection, Direction
from portway.policy.table import ANYBODY, EVERYTHING, NOBODY, OTHER_PROTOCOLS, Pair, PolicyTable


def verdict(table: PolicyTable, connection: Connection) -> bool:
    """Whether this node lets the connection pass: each end that is a pod of this node is asked.

    An end that the table does not know is none of this node's: the other node judges it.
    """
    source, destination = connection.source, connection.destination
    return _end(table, "Egress", source, destination, connection) and _end(
        table, "Ingress", destination, source, connection
    )


def _end(table: PolicyTable, direction: Direction, pod: str, other: str, connection: Connection) -> bool:
    constrained = table.pods.get(pod)
    if constrained is None or not (constrained.ingress if direction == "Ingress" else constrained.egress):
        return True
    if direction == "Ingress" and other in table.own_node:
        return True
    if pod == other and pod not in table.hairpin_judged:
        return True
    port_set = _port_set(table, direction, pod, class_of(table, other))
    return port_set is not None and _allows(table, port_set, connection)


def class_of(table: PolicyTable, address: str) -> int:
    """The class of an address: a pod's own, else that of the range that it lies in."""
    return table.classes.get(address) or next(_containing(table, address), NOBODY)


def _containing(table: PolicyTable, address: str) -> Iterator[int]:
    ip = ipaddress.ip_address(address)
    for (first, last), number in table.ranges.items():
        if (":" in first) != (ip.version == 6):
            continue
        if int(ipaddress.ip_address(first)) <= int(ip) <= int(ipaddress.ip_address(last)):
            yield number


def _port_set(table: PolicyTable, direction: Direction, pod: str, other: int) -> int | None:
    own = table.pairs.get(Pair(direction, pod, other))
    return table.pairs.get(Pair(direction, pod, ANYBODY)) if own is None else own


def _allows(table: PolicyTable, port_set: int, connection: Connection) -> bool:
    if port_set == EVERYTHING:
        return True
    has_ports = connection.protocol in ("TCP", "UDP", "SCTP")
    protocol, port = (connection.protocol, connection.port) if has_ports else (OTHER_PROTOCOLS, 0)
    return any(
        allowed and found.port_set == port_set and found.protocol == protocol and found.first <= port <= found.last
        for found, allowed in table.ports.items()
    )
