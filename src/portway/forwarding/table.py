"""The forwarding table: what one node does with packets to Services, as a value.

The table is its Services' contributions: a change of one Service replaces one of them, whatever the cluster's size.
"""

from collections.abc import Mapping
from functools import cached_property

from msgspec import Struct, field

from portway.forwarding.frontend import Contribution, HealthCheck, ServiceKey
from portway.forwarding.index import Index, index_of
from portway.model import ProxyConfig, ServicePortName


class ForwardingTable(Struct, frozen=True, dict=True):
    """Everything one node needs to treat any packet to any Service, of both families."""

    config: ProxyConfig
    contributions: Mapping[ServiceKey, Contribution] = field(default_factory=dict)
    service_cidrs: tuple[str, ...] = ()

    @cached_property
    def index(self) -> Index:
        """Frontends by what packets carry; built once, when first asked for."""
        return index_of(self.contributions)

    @cached_property
    def returning(self) -> frozenset[str]:
        """Addresses of this node's endpoints, of any Service: a pod of them that is sent to itself is masqueraded."""
        own = self.config.node_name
        offered = (f.offered for c in self.contributions.values() for f in c.frontends)
        return frozenset(b.address for backends in offered for b in backends if own and b.node_name == own)

    @property
    def health_checks(self) -> Mapping[ServiceKey, HealthCheck]:
        """The health check node ports to serve."""
        return {key: c.health_check for key, c in self.contributions.items() if c.health_check is not None}


def without_local_endpoints(table: ForwardingTable) -> tuple[int, int]:
    """How many ServicePorts drop packets here under (internal, external) policy Local: this node has no endpoint
    of theirs, and others have.
    """
    internal: set[ServicePortName] = set()
    external: set[ServicePortName] = set()
    for contribution in table.contributions.values():
        for frontend in contribution.frontends:
            target = frontend.target
            if frontend.local_policy and target.has_endpoints and not target.local:
                (internal if frontend.kind == "clusterIP" else external).add(target.name)
    return len(internal), len(external)
