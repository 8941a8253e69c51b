"""The fourth witness: kube-proxy itself, where KUBE_PROXY names its binary, does on random clusters what `lookup` says.

Each proxy runs in the node's namespace with an API server that holds the cluster. EXAMPLES says on how many.
"""

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from bench import kube_proxy
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from portway.forwarding import compute, lookup
from portway.model import LocalDetector, Node, ProxyConfig, Snapshot
from portway.testing.builders import service_document, slice_document
from portway.testing.netns import Unavailable
from tests.contract.crossing import Crossing, Fate, crossing, enough, forget_connections
from tests.contract.test_witnesses import differs, sendable
from tests.flows import strategies

if "KUBE_PROXY" not in os.environ:
    pytest.skip("KUBE_PROXY names no kube-proxy to compare with", allow_module_level=True)

Doc = dict[str, Any]
_NOWHERE = ("192.168.250.0/24", "fd00:250::/64")
"""No address of the node lies here: a family without any CIDR would accept nodePorts on all its addresses."""
_POD_CIDRS = ["10.244.1.0/24", "fd00:244:1::/48"]


@pytest.fixture(scope="module")
def node() -> Iterator[Crossing]:
    """A node with the addresses of the random clusters' node-1."""
    try:
        with crossing((*strategies.NODE_ADDRESSES, "127.0.0.1", "::1")) as made:
            yield made
    except Unavailable as reason:
        pytest.skip(f"no network namespaces here: {reason}")


def _unambiguous(cluster: Snapshot) -> Snapshot:
    """Without endpoints of one address that tell different things of it: to kube-proxy either may count."""
    seen: set[tuple[str, str, bool]] = set()
    slices = {}
    for key, piece in sorted(cluster.slices.items()):
        kept = []
        for each in piece.endpoints:
            if (identity := (piece.service, each.address, each.terminating)) not in seen:
                seen.add(identity)
                kept.append(each)
        slices[key] = replace(piece, endpoints=tuple(kept))
    return replace(cluster, slices=slices)


def _documents(cluster: Snapshot) -> Iterator[tuple[str, bytes]]:
    documents: list[tuple[str, Doc]] = [("nodes", _node(cluster.nodes["node-1"]))]
    documents.append(("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns"}}))
    documents += [("services", service_document(s)) for s in cluster.services.values()]
    documents += [("discovery.k8s.io/endpointslices", slice_document(s)) for s in cluster.slices.values()]
    if cluster.service_cidrs:
        documents.append(("networking.k8s.io/servicecidrs", _service_cidr(cluster.service_cidrs)))
    return ((collection, json.dumps(document).encode()) for collection, document in documents)


def _node(node: Node) -> Doc:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name, "labels": {"topology.kubernetes.io/zone": node.zone} if node.zone else {}},
        "spec": {"podCIDR": _POD_CIDRS[0], "podCIDRs": _POD_CIDRS},
        "status": {"addresses": [{"type": "InternalIP", "address": address} for address in node.addresses]},
    }


def _service_cidr(cidrs: Sequence[str]) -> Doc:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "ServiceCIDR",
        "metadata": {"name": "more"},
        "spec": {"cidrs": list(cidrs)},
    }


def _settings(config: ProxyConfig) -> Doc:
    """The configuration's fields of a KubeProxyConfiguration."""
    accepting = [f"{address}/{128 if ':' in address else 32}" for address in config.node_port_addresses]
    return {
        "nftables": {"minSyncPeriod": "1ms", "syncPeriod": "1h0m0s", "masqueradeAll": config.masquerade_all},
        "nodePortAddresses": ["0.0.0.0/0", "::/0"] if config.node_port_match_all else [*accepting, *_NOWHERE],
        **_detection(config.local_detector),
    }


def _detection(detector: LocalDetector | None) -> Doc:
    if detector is None:
        return {}
    if detector.mode == "ClusterCIDR":
        return {"detectLocalMode": detector.mode, "clusterCIDR": ",".join(detector.cidrs)}
    names = {"InterfaceNamePrefix": "interfaceNamePrefix", "BridgeInterface": "bridgeInterface"}
    detail = {names[detector.mode]: detector.interface} if detector.mode in names else {}
    return {"detectLocalMode": detector.mode, "detectLocal": detail}


@contextmanager
def _in_charge(node: Crossing, name: str, cluster: Snapshot, config: ProxyConfig) -> Iterator[None]:
    command = kube_proxy.commands()[name]
    with kube_proxy.of_cluster(command, _documents(cluster), _settings(config), node.world, node.node) as proxy:
        deadline = time.monotonic() + 30
        while not node.node.run(_synced):
            assert time.monotonic() < deadline, proxy.log.read_text()
            time.sleep(0.02)
        proxy.quiet()
        node.node.run(forget_connections)
        yield
    for table in ("ip kube-proxy", "ip6 kube-proxy", "inet portway"):
        node.node.command("nft", "-f", "-", text=f"add table {table}\ndelete table {table}\n")


def _synced() -> bool:
    """Whether every family that is served was synced once."""
    try:
        with urlopen("http://127.0.0.1:10249/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
    except URLError:
        return False
    found = [line for line in lines if line.startswith("kubeproxy_sync_proxy_rules_last_timestamp_seconds")]
    return bool(found) and all(float(line.split()[-1]) > 0 for line in found)


def _refused_alike(fate: Fate) -> Fate:
    """kube-proxy refuses TCP too by ICMP, where `serve` resets: to a client both are ECONNREFUSED."""
    return frozenset(("REJECT" if outcome == "port unreachable" else outcome, hidden) for outcome, hidden in fate)


@pytest.mark.parametrize("name", kube_proxy.commands())
@settings(
    max_examples=int(os.environ.get("EXAMPLES", "30")),
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data(), cluster=strategies.clusters(), config=strategies.configs())
def test_it_does_what_lookup_says(
    node: Crossing, name: str, data: st.DataObject, cluster: Snapshot, config: ProxyConfig
) -> None:
    cluster = _unambiguous(cluster)
    table = compute(cluster, config)
    packets = sendable(data.draw(strategies.packets(cluster)))
    verdicts = [lookup(table, packet) for packet in packets]
    with _in_charge(node, name, cluster, config):
        fates = node.fates(packets, [enough(len(verdict.backends)) for verdict in verdicts])
    rows = zip(packets, verdicts, map(_refused_alike, fates), strict=True)
    wrong = [found for row in rows if (found := differs(cluster, *row))]
    assert not wrong, "\n".join((*wrong, str(cluster), str(config)))
