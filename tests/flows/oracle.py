"""A second opinion, slow and literal: section 5 of the semantics read off for one packet, scanning every Service.

It shares no code with portway.forwarding; only the model's values and Python's ipaddress.
"""

from ipaddress import ip_address, ip_network
from itertools import product

from portway.model import Endpoint, Node, Packet, ProxyConfig, Service, ServicePort, Snapshot

Answer = tuple[str, bool, frozenset[str]]
"""Output as in a packet table, the masquerade mark, and the backends with which hairpin masquerades."""


def _within(cidrs: tuple[str, ...], address: str) -> bool:
    ip = ip_address(address)
    return any(ip in net for net in map(ip_network, cidrs) if net.version == ip.version)


class _Port:
    """One ServicePort in the packet's family, with everything that 5.1 to 5.3 derive."""

    def __init__(self, snapshot: Snapshot, config: ProxyConfig, service: Service, port: ServicePort, v6: bool) -> None:
        def ours(texts: tuple[str, ...]) -> list[str]:
            return [t for t in texts if (":" in t) == v6]

        self.service, self.port = service, port
        self.cluster_ip = ours(service.cluster_ips)[0]
        self.external_ips, self.vips = ours(service.external_ips), ours(service.load_balancer_ips)
        accessible = bool(port.node_port or self.external_ips or self.vips)
        self.internal_local = service.internal_traffic_policy == "Local"
        self.external_local = accessible and service.external_traffic_policy == "Local"
        self.ranges = ours(service.load_balancer_source_ranges)
        if any(r.endswith("/0") for r in self.ranges):
            self.ranges = []
        own = next((a for a in ours(config.node_addresses) if not ip_address(a).is_loopback), None)
        if own and _within(tuple(self.ranges), own):
            self.ranges = self.ranges + self.vips
        self._endpoints(snapshot, config, v6, accessible)

    def _endpoints(self, snapshot: Snapshot, config: ProxyConfig, v6: bool, accessible: bool) -> None:
        known: dict[str, Endpoint] = {}
        for key in sorted(snapshot.slices):
            piece = snapshot.slices[key]
            mine = (piece.namespace, piece.service) == (self.service.namespace, self.service.name) and piece.proxied
            for port, one in product(piece.ports, piece.endpoints) if mine else ():
                if (port.name, port.protocol) != (self.port.name, self.port.protocol) or (":" in one.address) != v6:
                    continue
                text = f"[{one.address}]:{port.port}" if v6 else f"{one.address}:{port.port}"
                if text not in known or (known[text].terminating and not one.terminating):
                    known[text] = one
        ready = {t: e for t, e in known.items() if e.ready}
        leaving = {t: e for t, e in known.items() if e.serving and e.terminating}
        own, node = config.node_name, snapshot.nodes.get(config.node_name, Node(config.node_name))
        self.cluster: dict[str, Endpoint] = {}
        self.local: dict[str, Endpoint] = {}
        if accessible or not self.internal_local:
            self.cluster = _hinted(ready, own, node.zone) or leaving
        if self.internal_local or self.external_local:
            self.local = {t: e for t, e in ready.items() if e.node_name == own}
            self.local = self.local or {t: e for t, e in leaving.items() if e.node_name == own}
            self.any = bool(self.cluster or ready or leaving)
        else:
            self.any = bool(self.cluster)

    @property
    def internal_ok(self) -> bool:
        return self.any and (not self.internal_local or bool(self.local))

    @property
    def external_ok(self) -> bool:
        return self.any and (not self.external_local or bool(self.local))

    @property
    def refusal(self) -> str:
        return "DROP" if self.any else "REJECT"


def _hinted(ready: dict[str, Endpoint], node: str, zone: str) -> dict[str, Endpoint]:
    everyone = ready.values()
    if all(e.node_hints for e in everyone) and any(node in e.node_hints for e in everyone):
        return {t: e for t, e in ready.items() if node in e.node_hints}
    if zone and all(e.zone_hints for e in everyone) and any(zone in e.zone_hints for e in everyone):
        return {t: e for t, e in ready.items() if zone in e.zone_hints}
    return ready


class Oracle:
    """Answers for one node of one cluster."""

    def __init__(self, snapshot: Snapshot, config: ProxyConfig) -> None:
        self._snapshot, self._config = snapshot, config
        self._ports = {
            v6: [_Port(snapshot, config, *pair, v6) for pair in _proxied(snapshot, v6)] for v6 in (False, True)
        }

    def answer(self, packet: Packet) -> Answer:
        """What 5.10 says about the packet."""
        return _Reading(self._snapshot, self._config, packet, self._ports[":" in packet.destination]).answer()


def _proxied(snapshot: Snapshot, v6: bool) -> list[tuple[Service, ServicePort]]:
    return [
        (service, port)
        for _, service in sorted(snapshot.services.items())
        for port in service.ports
        if service.type != "ExternalName"
        and service.proxied
        and not service.headless
        and any((":" in a) == v6 for a in service.cluster_ips)
    ]


class _Reading:
    def __init__(self, snapshot: Snapshot, config: ProxyConfig, packet: Packet, ports: list[_Port]) -> None:
        self.snapshot, self.config, self.packet, self.ports = snapshot, config, packet, ports
        self.v6 = ":" in packet.destination
        self.mark = False

    def matching(self, port: _Port) -> bool:
        return (port.port.protocol, port.port.port) == (self.packet.protocol, self.packet.port)

    def detector_applies(self) -> bool:
        detector = self.config.local_detector
        if detector is None:
            return False
        if detector.mode in ("ClusterCIDR", "NodeCIDR"):
            return any((":" in cidr) == self.v6 for cidr in detector.cidrs)
        return True

    def from_pod(self) -> bool:
        detector = self.config.local_detector
        if detector is None or not self.detector_applies():
            return False
        if detector.mode == "InterfaceNamePrefix":
            return self.packet.interface.startswith(detector.interface)
        if detector.mode == "BridgeInterface":
            return self.packet.interface == detector.interface
        return _within(detector.cidrs, self.packet.source)

    def accepted(self) -> bool:
        address = self.packet.destination
        if self.config.node_port_match_all:
            return address in self.config.node_addresses and not ip_address(address).is_loopback
        return address in self.config.node_port_addresses

    def answer(self) -> Answer:
        to = self.packet.destination
        here = [p for p in self.ports if self.matching(p)]
        for port in here:  # step 1
            if to in port.vips and port.ranges and not _within(tuple(port.ranges), self.packet.source):
                return "DROP", False, frozenset()
        to_cluster_ip = to in {p.cluster_ip for p in self.ports}
        outside = self.detector_applies() and not self.from_pod()
        self.mark = to_cluster_ip and (self.config.masquerade_all or outside)  # step 2
        chosen = self.hit(here)  # step 3
        if chosen:  # step 4
            hairpin = {t for t, e in chosen.items() if e.address == self.packet.source}
            local = {t for t in hairpin if chosen[t].node_name == self.config.node_name}
            return ", ".join(sorted(chosen)), self.mark, frozenset(local)
        return self.refusal(here, to_cluster_ip), self.mark, frozenset()

    def hit(self, here: list[_Port]) -> dict[str, Endpoint]:
        to = self.packet.destination
        for port in here:
            if to == port.cluster_ip and port.internal_ok:
                return port.local if port.internal_local else port.cluster
            if to in port.external_ips + port.vips and port.any:
                return self.external(port)
        for port in self.by_node_port():
            if port.any:
                return self.external(port)
        return {}

    def external(self, port: _Port) -> dict[str, Endpoint]:
        if not port.external_local:
            self.mark = True
            return port.cluster
        if self.from_pod():
            return port.cluster
        if self.packet.source in self.config.node_addresses:
            self.mark = True
            return port.cluster
        return port.local

    def by_node_port(self) -> list[_Port]:
        if not self.accepted():
            return []
        wanted = (self.packet.protocol, self.packet.port)
        return [p for p in self.ports if p.port.node_port and (p.port.protocol, p.port.node_port) == wanted]

    def refusal(self, here: list[_Port], to_cluster_ip: bool) -> str:
        to = self.packet.destination
        for port in here:
            if (to == port.cluster_ip and not port.internal_ok) or (
                to in port.external_ips + port.vips and not port.external_ok
            ):
                return port.refusal
        if to_cluster_ip:
            return "REJECT"
        if _within(self.snapshot.service_cidrs, to):
            return "DROP"
        return next((port.refusal for port in self.by_node_port() if not port.external_ok), "")
