"""Who answers for a LoadBalancer's address on the local network: one node, whatever happens to it."""

import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from portway.agent import announce
from portway.agent.announce import AnnounceConfig, interfaces
from portway.kubeapi.announcing import address_lease
from portway.testing.netns import Unavailable
from tests.contract.lan import NODES, Lan, lan, silence, speakers

_numbers = itertools.count(100)


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lan]:
    """In a user namespace: what an ordinary user's CAP_NET_RAW can, root's can too."""
    try:
        with lan(tmp_path_factory.mktemp("lan"), user=True) as made:
            yield made
    except Unavailable as reason:
        pytest.skip(f"no network namespaces here: {reason}")


def fresh() -> tuple[str, str]:
    """Two addresses of the pool that no test had."""
    number = next(_numbers)
    return f"192.0.2.{number}", f"2001:db8::{number}"


def test_one_node_answers_in_each_family_and_the_clients_kernel_learns_it(net: Lan) -> None:
    four, six = fresh()
    net.balance("one", four, six)
    by_four, by_six = net.announced_by(four), net.announced_by(six)
    assert net.leases()[f"announce-{four}"] == by_four
    for address, node in ((four, by_four), (six, by_six)):
        assert net.neighbor("c1", address) == node
    # No node has it as an address of its own: what listens on every address listens on no more.
    assert all(four not in net.places[node].command("ip", "address", "show") for node in NODES)
    assert not net.who("192.0.2.250")
    for name in ("layer2_requests_received", "layer2_responses_sent", "layer2_gratuitous_sent"):
        full = f'metallb_{name}{{ip="{four}"}}'
        net.until(lambda row=full: net.metrics(by_four).get(row, 0) > 0)  # type: ignore[misc]
    told = net.metrics(by_four)
    where = f'{{ip="{four}",node="{by_four}",protocol="layer2",service="default/one"}}'
    assert told[f"metallb_speaker_announced{where}"] == 1
    assert not any(four in name for name in net.metrics(next(n for n in NODES if n != by_four)))


def test_a_status_says_who_answers_through_deaths_and_until_the_service_is_gone(net: Lan) -> None:
    address = fresh()[0]
    net.balance("told", address)
    first = net.announced_by(address)
    about = {"serviceName": "told", "serviceNamespace": "default", "interfaces": [{"name": "eth0"}]}
    net.until(lambda: net.statuses("told") == [{"node": first, **about}])
    net.kill(first)
    second = net.announced_by(address, first)
    net.until(lambda: net.statuses("told") == [{"node": second, **about}])
    net.start(first)
    net.http.delete("/api/v1/namespaces/default/services/told")
    net.until(lambda: not net.statuses("told"))


def test_addresses_are_spread(net: Lan) -> None:
    mine = [fresh()[0] for _ in range(9)]
    for address in mine:
        net.balance(f"spread-{address.rpartition('.')[2]}", address)
    assert len({net.announced_by(address) for address in mine}) > 1


@pytest.mark.parametrize(
    ("end", "family"), [("killed", 0), ("killed", 1), ("told to end", 0), ("frozen", 0), ("cut off", 0), ("cut off", 1)]
)
def test_another_node_takes_over_and_never_do_two_answer(net: Lan, tmp_path: Path, end: str, family: int) -> None:
    address = fresh()[family]
    name = f"{end.replace(' ', '-')}-{family}"
    net.balance(name, address)
    first = net.announced_by(address)
    others = set(NODES) - {first}
    assert {net.neighbor(other, address) for other in others} == {first}
    with net.recording(address, tmp_path / "rounds") as rounds:
        _stop(net, first, end)
        second = net.announced_by(address, first)
        # Nobody has to ask: the announcement puts right what a kernel had learnt. The third node never asks again.
        (third,) = others - {second}
        net.until(lambda: net.learnt(third, address) == second)
        _mend(net, first, end)
        # It is back and alive: it can announce what is new, and leaves what is another's.
        fence = fresh()[0]
        net.balance(f"fence-{name}", fence)
        net.announced_by(fence)
        assert net.announced_by(address) == second
    assert speakers(rounds) == [first, second]
    print(f"{end}: {silence(rounds):.3f} s without an answer")


def _stop(net: Lan, node: str, end: str) -> None:
    if end == "cut off":
        net.link(node, "down")
    else:
        net.kill(node, {"killed": signal.SIGKILL, "told to end": signal.SIGTERM, "frozen": signal.SIGSTOP}[end])


def _mend(net: Lan, node: str, end: str) -> None:
    if end == "cut off":
        net.link(node, "up")
    elif end == "frozen":
        net.kill(node, signal.SIGCONT)
    else:
        net.start(node)


def test_local_traffic_is_announced_where_the_pods_are(net: Lan) -> None:
    address = fresh()[0]
    net.balance("local", address, externalTrafficPolicy="Local")
    net.endpoints("local", n2=True, n3=False)
    assert net.announced_by(address) == "n2"
    net.endpoints("local", n2=False, n3=True)
    assert net.announced_by(address, "n2") == "n3"
    net.endpoints("local", n2=False)
    net.until(lambda: not net.who(address))


def test_nodes_that_load_balancers_leave_out_do_not_announce(net: Lan) -> None:
    address = fresh()[0]
    net.balance("excluded", address)
    node = net.announced_by(address)
    label = "node.kubernetes.io/exclude-from-external-load-balancers"
    net.http.patch(f"/api/v1/nodes/{node}", {"metadata": {"labels": {label: ""}}})
    assert net.announced_by(address, node) != node
    net.http.patch(f"/api/v1/nodes/{node}", {"metadata": {"labels": {label: None}}})


def test_a_node_without_the_interface_is_passed_over(net: Lan) -> None:
    """MetalLB's election does not look at interfaces, so that its leader may be mute."""
    base = "/apis/metallb.io/v1beta1/namespaces/metallb-system/l2advertisements/p"
    address = fresh()[0]
    net.balance("interfaces", address)
    net.announced_by(address)
    for node in ("n1", "n2"):
        net.places[node].command("ip", "link", "set", "eth0", "down")
        net.places[node].command("ip", "link", "set", "eth0", "name", "other0")
        net.places[node].command("ip", "link", "set", "other0", "up")
    try:
        net.http.patch(base, {"spec": {"interfaces": ["eth0"]}})
        assert net.announced_by(address, "n1", "n2") == "n3"
    finally:
        net.http.patch(base, {"spec": {"interfaces": None}})
        for node in ("n1", "n2"):
            net.places[node].command("ip", "link", "set", "other0", "down")
            net.places[node].command("ip", "link", "set", "other0", "name", "eth0")
            net.places[node].command("ip", "link", "set", "eth0", "up")


@pytest.mark.parametrize("family", [0, 1])
def test_a_machine_with_the_same_address_is_found_and_named(net: Lan, family: int) -> None:
    address = fresh()[family]
    _give(net, "c2", "eth0", address)
    net.balance(f"twice-{family}", address)
    _found_twice(net, f"twice-{family}", address, answering=2)
    _take(net, "c2", "eth0", address)
    net.http.delete(f"/api/v1/namespaces/default/services/twice-{family}")


def test_nodes_that_all_answer_as_with_ipvs_are_found_and_strict_arp_silences_them(net: Lan) -> None:
    """kube-proxy's IPVS has every VIP on kube-ipvs0 of every node; strictARP is arp_ignore=1."""
    address = fresh()[0]
    for node in NODES:
        net.places[node].command("ip", "link", "add", "kube-ipvs0", "type", "bridge")
        _give(net, node, "kube-ipvs0", address)
    net.balance("ipvs", address)
    holder = _found_twice(net, "ipvs", address, answering=3)
    for node in NODES:
        net.places[node].write("/proc/sys/net/ipv4/conf/all/arp_ignore", "1")
    net.until(lambda: net.who(address) == {holder})
    for node in NODES:
        net.places[node].command("ip", "link", "del", "kube-ipvs0")
        net.places[node].write("/proc/sys/net/ipv4/conf/all/arp_ignore", "0")
    net.http.delete("/api/v1/namespaces/default/services/ipvs")


def _give(net: Lan, place: str, device: str, address: str) -> None:
    net.places[place].command("ip", "address", "add", address, "dev", device, *["nodad"][: ":" in address])


def _take(net: Lan, place: str, device: str, address: str) -> None:
    net.places[place].command("ip", "address", "del", address, "dev", device)


def _found_twice(net: Lan, service: str, address: str, answering: int) -> str:
    """Its announcer, which says in its Lease, its metrics and an Event that others answer too."""
    net.until(lambda: address in net.doubts(_holder(net, address)).get("LB_TWO_ANSWER", ""))
    node = _holder(net, address)
    net.until(lambda: len(net.who(address)) == answering)
    where = f'{{code="LB_TWO_ANSWER",ip="{address}",node="{node}"}}'
    assert net.metrics(node)[f"portway_announcement_doubts{where}"] == 1
    about = f"involvedObject.name={service},reason=AddressConflict"
    net.until(lambda: bool(net.http.get(f"/api/v1/namespaces/default/events?fieldSelector={about}").doc["items"]))
    return node


def _holder(net: Lan, address: str) -> str:
    return net.leases().get(address_lease(address), "")


def test_strict_rp_filter_drops_what_would_be_answered_elsewhere(net: Lan) -> None:
    """A client beyond the network comes in by eth0; the node's default route leads out by eth1."""
    node, client = net.places["n1"], net.places["c1"]
    beyond = net.world.namespace("beyond")
    net.world.connect(beyond, "to-n1", node, "eth1")
    node.command("ip", "address", "add", "198.51.100.1/24", "dev", "eth1")
    node.command("ip", "route", "add", "default", "dev", "eth1")
    client.command("ip", "address", "add", "203.0.113.9/32", "dev", "eth0")
    node.write("/proc/sys/net/ipv4/conf/eth0/rp_filter", "1")
    address = fresh()[0]
    net.balance("far", address, externalTrafficPolicy="Local")
    net.endpoints("far", n1=True)
    assert net.announced_by(address) == "n1"
    net.until(lambda: "by eth0 and would be answered by eth1" in net.doubts("n1").get("LB_RP_FILTER", ""))
    assert net.heard("n1", "192.0.2.1", ["203.0.113.9", "192.0.2.11"]) == ["192.0.2.11"]
    node.write("/proc/sys/net/ipv4/conf/eth0/rp_filter", "2")
    assert net.heard("n1", "192.0.2.1", ["203.0.113.9", "192.0.2.11"]) == ["203.0.113.9", "192.0.2.11"]
    net.http.delete("/api/v1/namespaces/default/services/far")
    net.until(lambda: "LB_RP_FILTER" not in net.doubts("n1"))


def test_a_clouds_port_drops_what_its_node_says_of_other_addresses(net: Lan) -> None:
    """OpenStack's anti-spoofing, and what is done against it: the address is allowed at the port."""
    address = fresh()[0]
    assert net.http.patch("/api/v1/nodes/n1", {"spec": {"providerID": "openstack:///1"}}).code == 200
    net.balance("cloudy", address, externalTrafficPolicy="Local")
    net.endpoints("cloudy", n1=True)
    with net.lets_pass("n1", "192.0.2.1"):
        net.until(lambda: _holder(net, address) == "n1")
        _says_and_is_not_heard(net, "n1", address)
        assert net.notes(address)["LB_CLOUD_NODES"].startswith("n1 is a machine of openstack")
    with net.lets_pass("n1", "192.0.2.1", address):
        assert net.announced_by(address) == "n1"
    net.http.delete("/api/v1/namespaces/default/services/cloudy")


def _says_and_is_not_heard(net: Lan, node: str, address: str) -> None:
    sent = f'metallb_layer2_responses_sent{{ip="{address}"}}'

    def says() -> bool:
        assert not net.who(address), "somebody is heard"
        return net.metrics(node).get(sent, 0) > 0

    net.until(says)


def test_a_radio_that_keeps_back_broadcasts_is_told_by_its_node(net: Lan) -> None:
    """There is no radio here: the announcer is told that its interface is one, and the switch does what one does."""
    address = fresh()[0]
    net.kill("n3", signal.SIGTERM)
    net.start("n3", run=_by_radio)
    with net.keeps_broadcasts_from("n3"):
        net.balance("radio", address, externalTrafficPolicy="Local")
        net.endpoints("radio", n3=True)
        net.until(lambda: _holder(net, address) == "n3")
        net.until(lambda: "wireless interface" in net.notes(address).get("LB_WIRELESS", ""))
        assert net.traced(address).arrives, "as far as objects tell"
        assert not net.who(address) and not net.metrics("n3").get(f'metallb_layer2_requests_received{{ip="{address}"}}')
        net.endpoints("radio", n1=True)
        assert net.announced_by(address) == "n1", "a node by wire is heard"
        assert "LB_WIRELESS" not in net.notes(address)
    net.http.delete("/api/v1/namespaces/default/services/radio")
    net.kill("n3", signal.SIGTERM)
    net.start("n3")


def _by_radio(config: AnnounceConfig) -> int:
    interfaces._wireless = lambda *_: True
    return announce.run(config)


def test_nothing_is_left_of_a_service_that_is_gone(net: Lan) -> None:
    address = fresh()[0]
    net.balance("gone", address)
    net.announced_by(address)
    net.http.delete("/api/v1/namespaces/default/services/gone")
    net.until(lambda: not net.who(address) and f"announce-{address}" not in net.leases())


def test_without_the_api_server_the_announcer_falls_silent(net: Lan) -> None:
    """It cannot know that nobody took its addresses."""
    address = fresh()[0]
    net.balance("alone", address)
    net.announced_by(address)
    os.kill(net.server.pid, signal.SIGSTOP)
    net.until(lambda: not net.who(address))
    os.kill(net.server.pid, signal.SIGCONT)
    net.announced_by(address)
