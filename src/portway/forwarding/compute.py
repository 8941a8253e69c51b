"""A Snapshot and a node's configuration become a ForwardingTable, whole or for the changed Services only."""

from collections.abc import Iterable, Mapping

from portway.forwarding.contribution import contribution, is_proxied
from portway.forwarding.frontend import ServiceKey
from portway.forwarding.large import LargeServices
from portway.forwarding.table import ForwardingTable
from portway.model import EndpointSlice, ProxyConfig, Snapshot

SlicesOf = Mapping[ServiceKey, Mapping[str, EndpointSlice]]
"""The EndpointSlices of each Service, by slice name."""


def slices_by_service(snapshot: Snapshot) -> SlicesOf:
    """Groups a snapshot's slices: the O(cluster) step that a keeper of changes (inputs.py) does only once."""
    found: dict[ServiceKey, dict[str, EndpointSlice]] = {}
    for piece in snapshot.slices.values():
        if piece.service:
            found.setdefault((piece.namespace, piece.service), {})[piece.name] = piece
    return found


def compute(
    snapshot: Snapshot, config: ProxyConfig, slices_of: SlicesOf | None = None, large: LargeServices | None = None
) -> ForwardingTable:
    """The whole table for the node named in `config`."""
    empty = ForwardingTable(config, {}, snapshot.service_cidrs)
    return recompute(empty, snapshot, snapshot.services, slices_of, large)


def recompute(
    table: ForwardingTable,
    snapshot: Snapshot,
    changed: Iterable[ServiceKey],
    slices_of: SlicesOf | None = None,
    large: LargeServices | None = None,
    *,
    used_up: bool = False,
) -> ForwardingTable:
    """`table` with the Services in `changed` brought up to date; the others are taken over as they are.

    `changed` names every Service that changed, came or went, or whose slices did. A change of this node's zone or
    of the configuration concerns all of them: `compute` anew, or `recompute` with every key to keep the slots.
    `Inputs` knows and keeps all of these arguments. `used_up`: nobody looks at `table` any more, so that nothing of it
    is copied, and what it costs does not grow with the cluster.
    """
    grouped = slices_by_service(snapshot) if slices_of is None else slices_of
    kept = table.contributions
    contributions = kept if used_up and isinstance(kept, dict) else dict(kept)
    zone = _zone(snapshot, table.config)
    for key in changed:
        service, slices = snapshot.services.get(key), grouped.get(key, {})
        if service is None or not is_proxied(service):
            contributions.pop(key, None)
            continue
        previous = contributions.get(key)
        renewed = large.renewed(service, slices, previous, table.config) if large else None
        if renewed is None:
            ordered = (slices[name] for name in sorted(slices))
            renewed = contribution(service, ordered, table.config, zone, previous)
            if large:
                large.learn(service, slices, renewed, table.config)
        contributions[key] = renewed
    return ForwardingTable(table.config, contributions, snapshot.service_cidrs)


def _zone(snapshot: Snapshot, config: ProxyConfig) -> str:
    node = snapshot.nodes.get(config.node_name)
    return node.zone if node else ""
