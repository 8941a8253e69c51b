"""The way back: backends that a connection reaches and whose answers its client does not get.

A destination is translated back only by the node that translated it, so an answer that goes another way comes from an
address that the client never dialled. And a pod takes no packet that comes from outside with its own address.
"""

from collections.abc import Iterable, Mapping

from portway.model import Backend, Packet, Verdict

MEANING = {
    "REPLY_BYPASSES_NAT": "its answer goes straight to the client, past the node that translated: the client drops it",
    "HAIRPIN_NOT_MASQUERADED": "the pod is sent to itself with its own address as the source, and drops the packet",
}


def lost(
    packet: Packet, verdict: Verdict, backends: Iterable[Backend], node: str, *, abroad: bool
) -> Mapping[Backend, str]:
    """The codes of those that do not answer a pod's connection. `abroad`: `node`, which translated it, is another's.

    A pod's connection to another node's nodePort keeps its source under externalTrafficPolicy Local, as kube-proxy
    has it where it knows pods by the cluster's CIDR; an endpoint elsewhere answers the pod directly. And kube-proxy
    masquerades a pod's connection to itself only where some EndpointSlice says that the endpoint is on this node.
    """
    if verdict.masquerade:
        return {}
    returning = {backend.address for backend in verdict.hairpin}
    found = {}
    for backend in backends:
        if abroad and backend.node_name != node:
            found[backend] = "REPLY_BYPASSES_NAT"
        elif backend.address == packet.source and backend.address not in returning:
            found[backend] = "HAIRPIN_NOT_MASQUERADED"
    return found
