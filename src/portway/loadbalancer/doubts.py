"""Why clients may not reach an address although its node answers for it: what only that node can see.

Sources: MetalLB's troubleshooting guide (WiFi, ARP answered twice, strictARP); RFC 5227 (address conflicts);
Documentation/networking/ip-sysctl.rst (rp_filter). Each doubt has a sign: without one nothing is said.
"""

from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct

from portway.model.loadbalancer import Doubt

STRICT = 1
"""rp_filter: a packet must come by the interface by which its answer would go."""


class Face(Struct, frozen=True):
    """An interface on which a node announces."""

    name: str
    wireless: bool = False
    rp_filter: int = 0
    """The larger of the interface's and of `all`, as the kernel takes it."""
    way_out: tuple[str, ...] = ()
    """Where the node's IPv4 default routes lead, by name."""


def doubts(faces: Iterable[Face], rivals: Mapping[str, Collection[str]]) -> tuple[Doubt, ...]:
    """What a node should tell. `rivals`: by address of its own, the MAC addresses that others claim it with."""
    seen = [doubt for face in faces for doubt in _of_face(face)]
    seen += [_two_answer(address, macs) for address, macs in rivals.items() if macs]
    return tuple(sorted(seen))


def _of_face(face: Face) -> Iterable[Doubt]:
    if face.wireless:
        yield Doubt(
            "LB_WIRELESS",
            f"it answers on {face.name}, a wireless interface, and many of those, and their access points, keep back "
            f"ARP for addresses that are not the interface's own: ip link set {face.name} promisc on, or a wired one "
            "in L2Advertisement.spec.interfaces",
        )
    elsewhere = ", ".join(name for name in face.way_out if name != face.name)
    if face.rp_filter == STRICT and elsewhere and face.name not in face.way_out:
        yield Doubt(
            "LB_RP_FILTER",
            f"clients beyond the local network come in by {face.name} and would be answered by {elsewhere}, and strict "
            f"rp_filter drops what they send: sysctl -w net.ipv4.conf.{face.name}.rp_filter=2, or a route back by "
            f"{face.name}",
        )


def _two_answer(address: str, macs: Collection[str]) -> Doubt:
    return Doubt(
        "LB_TWO_ANSWER",
        f"{', '.join(sorted(macs))} also says that it has {address}, and clients go to whom they heard last: another "
        "load balancer's speaker, a machine with this address, or kube-proxy's IPVS without strictARP",
        address,
    )
