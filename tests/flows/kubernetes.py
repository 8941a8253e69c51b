"""Kubernetes' recorded packet tables as our values."""

from typing import Any

from portway.forwarding import ForwardingTable, compute
from portway.kubeapi import decode
from portway.model import LocalDetector, Node, ProxyConfig, Snapshot
from portway.testing.flows import Flow


def table_of(state: dict[str, Any]) -> ForwardingTable:
    """The table of the node that a line of packet_flows describes."""
    config = config_of(state)
    services = [decode.service(doc) for doc in state["services"] or ()]
    slices = [decode.endpoint_slice(doc) for doc in state["endpointSlices"] or ()]
    snapshot = Snapshot(
        {(s.namespace, s.name): s for s in services},
        {(s.namespace, s.name): s for s in slices},
        {config.node_name: Node(config.node_name)},
        tuple(state["config"].get("serviceCIDRs") or ()),
    )
    return compute(snapshot, config)


def config_of(state: dict[str, Any]) -> ProxyConfig:
    """What that node's proxy was told."""
    config, node = state["config"], state["node"]
    detector = config["localDetector"]
    own = [node["nodeIP"], *(ip for ip in node["ips"] if ip != node["nodeIP"])]
    return ProxyConfig(
        node_name=node["name"],
        node_addresses=tuple(own),
        node_port_addresses=tuple(config["nodePortIPs"]),
        node_port_match_all=config["nodePortMatchAll"],
        masquerade_all=config["masqueradeAll"],
        local_detector=LocalDetector(cidrs=(detector["clusterCIDR"],)) if detector["implemented"] else None,
    )


def flows_of(state: dict[str, Any]) -> list[Flow]:
    """Its rows. Where upstream's tracer was unreliable about masquerade (`approx`), it is not checked."""
    return [
        Flow(
            name=row.get("name", ""),
            source=row["sourceIP"],
            destination=row["destIP"],
            protocol=row["protocol"],
            port=row["destPort"],
            output=row["output"],
            masquerade=None if row.get("approx") else row["masq"],
        )
        for row in state["flows"]
    ]
