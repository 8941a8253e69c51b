"""UDP flows that still go to an endpoint that left: forgotten, so that the next packet is sent to one that is there.

A UDP flow lives as long as packets come, so a client that goes on sending would never leave a dead pod. TCP's peers
notice by themselves. Source of the rules: kube-proxy 1.36 pkg/proxy/conntrack/cleanup.go.
"""

import errno
import ipaddress
import struct
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from portway.agent.netlink import ACK, REQUEST, Netlink, attributes, message, nested
from portway.model import EndpointSlice, Service

_SUBSYSTEM = 1
_GET, _DELETE = 1, 2
_ORIGINAL, _REPLY, _TUPLE_IP, _TUPLE_PROTOCOL = 1, 2, 1, 2
_UDP = 17
_EVERY_FAMILY = 0
_PORT = struct.Struct(">H")


Answerer = tuple[str, int]
"""An endpoint's address and port."""


class Flow(Struct, frozen=True):
    """One UDP flow: where its client sends, and who answers."""

    destination: str
    port: int
    answers: Answerer
    tuple: bytes = b""
    """The kernel's own description of the original direction, by which it is deleted."""
    family: int = 2


Endpoints = Mapping[tuple[str, int], frozenset[Answerer]]
"""For each UDP frontend (address, or "" for a nodePort; port) its serving endpoints."""


def serving(service: Service, slices: Iterable[EndpointSlice]) -> dict[tuple[str, int], frozenset[Answerer]]:
    """A Service's UDP frontends that have serving endpoints; flows to the others are left alone."""
    if not any(port.protocol == "UDP" for port in service.ports):
        return {}
    by_name: dict[str, set[Answerer]] = {}
    for piece in slices:
        for port in piece.ports if piece.proxied else ():
            if port.protocol == "UDP":
                ready = ((endpoint.address, port.port) for endpoint in piece.endpoints if endpoint.serving)
                by_name.setdefault(port.name, set()).update(ready)
    addresses = (*service.cluster_ips, *service.external_ips, *service.load_balancer_ips)
    found: dict[tuple[str, int], frozenset[Answerer]] = {}
    for service_port in service.ports:
        endpoints = frozenset(by_name.get(service_port.name, ())) if service_port.protocol == "UDP" else frozenset()
        if endpoints:
            found.update(((address, service_port.port), endpoints) for address in addresses)
            if service_port.node_port:
                found["", service_port.node_port] = endpoints
    return found


def stale(flows: Iterable[Flow], endpoints: Endpoints) -> Iterator[Flow]:
    """The flows to forget: sent to one of these frontends, answered by none of its serving endpoints."""
    for flow in flows:
        wanted = endpoints.get((flow.destination, flow.port)) or endpoints.get(("", flow.port))
        if wanted and flow.answers not in wanted:
            yield flow


def forget_stale(endpoints: Endpoints) -> int:
    """Look through this namespace's UDP flows once and forget those; how many. Raises OSError."""
    netlink = Netlink()
    try:
        gone = list(stale(_flows(netlink), endpoints))
        for flow in gone:
            _forget(netlink, flow)
        return len(gone)
    finally:
        netlink.close()


def _flows(netlink: Netlink) -> Iterator[Flow]:
    for answer in netlink.dump_whole(_SUBSYSTEM << 8 | _GET, struct.pack("=BBH", _EVERY_FAMILY, 0, 0)):
        if flow := _flow(answer.payload[4:], answer.payload[0]):
            yield flow


def _flow(data: bytes, family: int) -> Flow | None:
    found = dict(attributes(data))
    original = found[_ORIGINAL]
    protocol, destination, port = _tuple(original, 2)
    if protocol != _UDP:
        return None
    _, address, answering = _tuple(found[_REPLY], 1)
    return Flow(destination, port, (address, answering), original, family)


def _tuple(data: bytes, end: int) -> tuple[int, str, int]:
    """(protocol, address, port) of a tuple; `end` 1 takes the source's, 2 the destination's."""
    found = dict(attributes(data))
    ip, ports = dict(attributes(found[_TUPLE_IP])), dict(attributes(found[_TUPLE_PROTOCOL]))
    address = ip[end] if end in ip else ip[end + 2]
    port = _PORT.unpack(ports[end + 1])[0] if end + 1 in ports else 0
    return ports[1][0], str(ipaddress.ip_address(address)), port


def _forget(netlink: Netlink, flow: Flow) -> None:
    payload = struct.pack("=BBH", flow.family, 0, 0) + nested(_ORIGINAL, flow.tuple)
    netlink.send(message(_SUBSYSTEM << 8 | _DELETE, REQUEST | ACK, netlink.next_sequence(), payload))
    for answer in netlink.pending():
        if answer.error and answer.error != errno.ENOENT:
            raise OSError(answer.error, "conntrack")
