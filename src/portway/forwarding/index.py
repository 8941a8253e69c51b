"""Finding a frontend by what a packet carries, in constant time."""

from collections.abc import Mapping

from msgspec import Struct

from portway.forwarding.frontend import Contribution, Frontend, ServiceKey
from portway.model import Family, Protocol

Address = tuple[str, Protocol, int]
NodePort = tuple[Family, Protocol, int]


class Index(Struct, frozen=True):
    """A table's frontends by address and by nodePort, and the Service of each clusterIP.

    Where two Services claim the same frontend, the first by (namespace, name) has it; within one, the first listed.
    """

    addresses: dict[Address, Frontend]
    node_ports: dict[NodePort, Frontend]
    cluster_ips: dict[str, ServiceKey]


def index_of(contributions: Mapping[ServiceKey, Contribution]) -> Index:
    """Reads all of them once."""
    found = Index({}, {}, {})
    for key, contribution in contributions.items():
        for address in contribution.cluster_ips:
            found.cluster_ips[address] = min(key, found.cluster_ips.get(address, key))
        for frontend in contribution.frontends:
            _claim(found, frontend)
    return found


def _claim(index: Index, frontend: Frontend) -> None:
    if frontend.kind == "nodePort":
        number = (frontend.family, frontend.protocol, frontend.port)
        index.node_ports[number] = _first(frontend, index.node_ports.get(number))
    else:
        address = (frontend.address, frontend.protocol, frontend.port)
        index.addresses[address] = _first(frontend, index.addresses.get(address))


def _first(frontend: Frontend, holder: Frontend | None) -> Frontend:
    return frontend if holder is None or _owner(frontend) < _owner(holder) else holder


def _owner(frontend: Frontend) -> ServiceKey:
    return frontend.target.name.namespace, frontend.target.name.name
