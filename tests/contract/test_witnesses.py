"""Three witnesses on random clusters: what `lookup` means, what the compiled values do, what the kernel does."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from portway.forwarding import ForwardingTable, compute, lookup
from portway.model import LocalDetector, Packet, ProxyConfig, Snapshot, Verdict
from portway.nftables import compile
from portway.testing.builders import endpoint, endpoint_slice, service, snapshot
from tests.contract.crossing import Crossing, Fate, enough, is_loopback, meant
from tests.flows import strategies
from tests.unit.nftables.test_trace import OUTPUT, disagreement


def sendable(packets: Sequence[Packet]) -> list[Packet]:
    """Those that can be sent, coming in the way that they would; what the node itself sends comes in by nothing."""
    return [
        replace(packet, interface="" if packet.source in strategies.NODE_ADDRESSES else packet.interface or "eth0")
        for packet in packets
        if not is_loopback(packet)
    ]


def _affine(cluster: Snapshot, verdict: Verdict) -> bool:
    """Whether the verdict's Service keeps its clients to one endpoint."""
    port = verdict.service_port
    return bool(port and cluster.services[port.namespace, port.name].session_affinity_seconds)


def differs(cluster: Snapshot, packet: Packet, verdict: Verdict, fate: Fate) -> str:
    """How a packet's fate is not its verdict; "" when it is."""
    wanted = meant(verdict, OUTPUT.get(verdict.disposition, ""))
    fits = len(fate) == 1 and fate <= wanted if _affine(cluster, verdict) else fate == wanted
    return "" if fits else f"{packet}\n  meant {sorted(wanted)} for {verdict.reason}\n  done  {sorted(fate)}"


def _ask(node: Crossing, cluster: Snapshot, table: ForwardingTable, packets: Sequence[Packet]) -> list[str]:
    """How the kernel's answers are not what `lookup` says."""
    verdicts = [lookup(table, packet) for packet in packets]
    fates = node.fates(packets, [enough(len(verdict.backends)) for verdict in verdicts])
    rows = zip(packets, verdicts, fates, strict=True)
    return [wrong for row in rows if (wrong := differs(cluster, *row))]


@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data(), cluster=strategies.clusters(), config=strategies.configs())
def test_all_three_agree(node: Crossing, data: st.DataObject, cluster: Snapshot, config: ProxyConfig) -> None:
    table = compute(cluster, config)
    ruleset = compile(table)
    packets = sendable(data.draw(strategies.packets(cluster)))
    for packet in packets:
        assert not (found := disagreement(table, ruleset, packet)), found
    node.load(ruleset)
    wrong = _ask(node, cluster, table, packets)
    assert not wrong, "\n".join(wrong)


def test_a_kernel_that_does_something_else_is_found_out(node: Crossing) -> None:
    pods = [endpoint("10.244.1.2"), endpoint("10.244.1.3")]
    config = ProxyConfig("node-1", strategies.NODE_ADDRESSES)
    two, one = (snapshot(service(), endpoint_slice("web", *some)) for some in (pods, pods[:1]))
    packet = Packet("203.0.113.5", "10.96.0.10", "TCP", 80)
    node.load(compile(compute(two, config)))
    assert not _ask(node, two, compute(two, config), [packet])
    assert _ask(node, one, compute(one, config), [packet] * 40)
    node.load(compile(compute(one, config)))
    assert _ask(node, two, compute(two, config), [packet])
    masquerading = replace(config, masquerade_all=True)
    assert _ask(node, one, compute(one, masquerading), [packet])


LET_THROUGH = [("10.244.1.2", ("", False)), ("172.18.0.11", ("", True)), ("203.0.113.5", ("DROP", False))]
"""A pod, the node itself and somebody outside under policy Local, and what becomes of each."""


@pytest.mark.parametrize("client,fate", LET_THROUGH)
def test_an_endpoint_that_is_what_was_dialled(node: Crossing, client: str, fate: tuple[str, bool]) -> None:
    """The kernel calls it no translation: another node's own address as externalIP, with the port of its pod there."""
    detector = LocalDetector("ClusterCIDR", ("10.244.0.0/16",))
    config = ProxyConfig("node-1", strategies.NODE_ADDRESSES, local_detector=detector)
    web = service(port=80, external_ips=("172.18.0.12",), external_traffic_policy="Local")
    table = compute(snapshot(web, endpoint_slice("web", endpoint("172.18.0.12", "node-2"), port=80)), config)
    packet, ruleset = Packet(client, "172.18.0.12", "TCP", 80), compile(table)
    assert not disagreement(table, ruleset, packet)
    node.load(ruleset)
    assert node.fates(sendable([packet]), [1]) == [{fate}]
