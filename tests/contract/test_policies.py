"""Policies as an agent enforces them: what is closed, what stays open, and what changes, crashes and meddling do."""

from collections.abc import Iterator
from time import monotonic

import pytest

from portway import agent
from portway.reconcile.resources import NAMESPACES, PODS
from portway.testing import apiserver
from portway.testing.netns import Unavailable
from tests.contract.cluster import PORT, cluster, pod_address, serve
from tests.contract.guarded import (
    FAMILIES,
    Guarded,
    cluster_policy,
    counted,
    pings,
    pod,
    policy,
    run_pod,
    send_as,
)
from tests.patience import PATIENCE

CLOSED = policy("closed", policyTypes=["Ingress", "Egress"])
FROM_B = policy("from-b", ingress=[{"from": [{"podSelector": {"matchLabels": {"who": "b"}}}]}])
FROM_FAR = policy("from-far", ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"team": "far"}}}]}])
WITNESS = """
table inet witness {{
  counter seen {{ }}
  chain in {{ type filter hook input priority 0; udp dport {} counter name seen; }}
}}
"""


@pytest.fixture(scope="module", params=[None, True], ids=["as we are", "user namespace"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Everything running, no policies."""
    folder = tmp_path_factory.mktemp("guarded")
    try:
        with apiserver.start(folder) as server, cluster(request.param) as made:
            ready = Guarded(made, server, folder)
            ready.start()
            ready.expect(lambda: len(ready.held("pods4")) == 2, "the node knows its pods")
            yield ready
    except Unavailable as reason:
        pytest.skip(f"no network namespaces here: {reason}")


def test_a_pod_may_send_from_its_own_address_only(place: Guarded) -> None:
    b, c = (place.cluster.places[name] for name in "bc")
    for place_of in (b, c):
        place_of.command("nft", "-f", "-", text=WITNESS.format(PORT))
    for family in FAMILIES:
        b.run(send_as, pod_address("a", family), pod_address("c", family))
        b.run(send_as, "192.0.2.7" if family == "IPv4" else "2001:db8::7", pod_address("c", family))
        place.cluster.places["outside"].run(send_as, pod_address("a", family), pod_address("b", family))
    for client, server in (("b", "c"), ("outside", "b")):
        addresses = [pod_address(server, family) for family in FAMILIES]
        assert place.answers(client, *addresses, patience=PATIENCE) == [True] * 4, "from its own it may"
    # one datagram by each family
    assert [counted(place_of.command("nft", "-j", "list", "counters")) for place_of in (b, c)] == [2, 2]


def test_nobody_reaches_an_address_that_is_no_pods(place: Guarded) -> None:
    addresses = "10.244.1.99", "fd00:244:0:1::99"
    b = place.cluster.places["b"]
    b.command("ip", "addr", "add", f"{addresses[0]}/32", "dev", "eth0")
    b.command("ip", "addr", "add", f"{addresses[1]}/128", "dev", "eth0", "nodad")
    for address in addresses:
        place.node.command("ip", "route", "add", address, "dev", "pod-b")

    def reached(client: str) -> list[bool]:
        """Over TCP, by both families: a datagram's answer would come from another of its addresses."""
        return place.answers(client, *addresses)[1::2]

    assert reached("c") == reached("a") == [False, False]
    place.ask(lambda api: run_pod(api, pod("d", *addresses)))
    place.expect(lambda: len(place.held("pods4")) == len(place.held("pods6")) == 3, "the rules know it")
    for client in "ca":
        place.expect(lambda c=client: all(reached(c)), f"{client} reaches it")  # type: ignore[misc]
    place.ask(lambda api: api.delete(PODS, "near", "d", grace_seconds=0))
    place.expect(lambda: len(place.held("pods4")) == len(place.held("pods6")) == 2, "the rules have forgotten it")
    assert reached("c") == reached("a") == [False, False]


def test_a_pod_reaches_itself_by_a_service_unless_an_administrator_denies_it(place: Guarded) -> None:
    with place.policies(CLOSED):
        place.expect_talk(False, "b", "a")
        place.expect_talk(True, "a", "self")
    everywhere = {"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "near"}}}
    with place.policies(cluster_policy("apart", ingress=[{"action": "Deny", "from": [everywhere]}])):
        place.expect_talk(False, "a", "self")
        place.expect_talk(True, "c", "a")


def test_an_administrator_may_keep_pods_from_their_own_node(place: Guarded) -> None:
    place.cluster.world.spawn(place.node, serve, "node-1")
    node = "172.18.0.11", "fd00:18::11"
    place.expect_answers("a", *node)
    bridge = "10.244.1.250"
    place.node.command("ip", "addr", "add", f"{bridge}/32", "dev", "lo")
    place.expect_answers("node-1", bridge)  # the node talks to itself by an address of its pod CIDR
    place.node.command("ip", "addr", "del", f"{bridge}/32", "dev", "lo")
    with place.policies(CLOSED):
        place.expect_talk(False, "a", "c")
        place.expect_answers("a", *node)  # NetworkPolicies never keep a pod from its own node
    accept = {"action": "Accept", "to": [{"nodes": {}}], "protocols": [{"udp": {"destinationPort": {"number": PORT}}}]}
    deny = {"action": "Deny", "to": [{"nodes": {}}, {"networks": ["0.0.0.0/0", "::/0"]}]}
    with place.policies(cluster_policy("apart", egress=[deny])):
        place.expect(lambda: place.answers("a", *node) == [False] * 4, "an administrator may")
    with place.policies(cluster_policy("apart", egress=[accept, deny])):
        place.expect(lambda: place.answers("a", *node) == [True, False] * 2, "or open a port of all nodes")
        place.expect_talk(True, "node-1", "a")
        place.expect_answers("outside", *node)


def test_echo_requests_pass_by_rules_without_ports(place: Guarded) -> None:
    from_b = {"from": [{"podSelector": {"matchLabels": {"who": "b"}}}]}
    b = place.cluster.places["b"]

    def pinged() -> bool:
        return all(b.run(pings, pod_address("a", family)) for family in FAMILIES)

    place.expect(pinged, "a answers without policies")
    with place.policies(
        policy("ports", ingress=[from_b | {"ports": [{"port": PORT}, {"port": PORT, "protocol": "UDP"}]}])
    ):
        place.expect_talk(False, "c", "a")
        place.expect_talk(True, "b", "a")
        for family in FAMILIES:
            assert not b.run(pings, pod_address("a", family))
    with place.policies(FROM_B):
        place.expect_talk(False, "c", "a")
        place.expect(pinged, "a answers b")


def test_a_pod_that_may_not_send_answers_who_may_ask_it(place: Guarded) -> None:
    with place.policies(policy("silent", policyTypes=["Egress"])):
        place.expect_talk(False, "a", "c")
        place.expect_talk(True, "c", "a")
        place.expect_talk(True, "b", "a")


def test_a_namespaces_labels_revoke_at_once_and_hurt_nobody_else(place: Guarded) -> None:
    with place.policies(FROM_B, FROM_FAR):
        place.expect_talk(False, "outside", "a")
        for family in FAMILIES:
            with place.talking("b", "a", family) as other, place.talking("c", "a", family) as talker:
                talker.until("+", monotonic())
                other.until("+", monotonic())
                began = monotonic()
                place.label(NAMESPACES, "", "far", team="gone")
                print(f"revoked after {talker.until('-', began):.3f} s")
                began = monotonic()
                place.label(NAMESPACES, "", "far", team="far")
                talker.until("+", began)
                assert other.lost_none()


def test_what_is_revoked_while_no_agent_runs_ends_with_the_next(place: Guarded) -> None:
    with place.policies(FROM_B, FROM_FAR):
        place.expect_talk(False, "outside", "a")
        with place.talking("b", "a") as other, place.talking("c", "a") as talker:
            talker.until("+", monotonic())
            other.until("+", monotonic())
            place.kill()
            place.label(PODS, "near", "b", who="friend")
            place.label(PODS, "near", "b", who="b")
            place.label(NAMESPACES, "", "far", team="gone")
            began = monotonic()
            talker.until("+", began)  # nobody is there to see it
            place.start()
            talker.until("-", began)
            place.label(NAMESPACES, "", "far", team="far")
            talker.until("+", monotonic())
            assert other.lost_none()


def test_an_agent_takes_over_a_full_table_under_traffic(place: Guarded) -> None:
    with place.policies(FROM_B):
        place.expect_talk(False, "c", "a")
        before = place.everything()
        with place.talking("b", "a") as friend, place.talking("c", "a") as stranger:
            friend.until("+", monotonic())
            stranger.until("-", monotonic())
            place.kill()
            assert place.everything() == before
            place.start()
            # what it does next, it does after its first sync
            place.ask(lambda api: run_pod(api, pod("late", "10.244.1.98")))
            place.expect(lambda: len(place.held("pods4")) == 3, "the rules know a new pod")
            assert friend.lost_none()
            assert stranger.never("+")
            place.ask(lambda api: api.delete(PODS, "near", "late", grace_seconds=0))
            labelled = monotonic()
            place.label(PODS, "near", "b", who="x")
            friend.until("-", labelled)
            place.label(PODS, "near", "b", who="b")
            friend.until("+", monotonic())
        place.expect(lambda: _judged(place.everything()) == _judged(before), "the same is enforced")


def _judged(held: dict[str, dict[bytes, bytes]]) -> object:
    """Who is judged and known; how others are told apart may differ."""
    names = [way + digit for way in ("pods", "hairpin_pods", "own_node", "ingress", "egress") for digit in "46"]
    return {name: held[name].keys() for name in names}


def test_meddling_is_repaired_and_what_it_let_in_is_thrown_out(place: Guarded) -> None:
    with place.policies(FROM_B):
        place.expect_talk(False, "c", "a")
        before = place.everything()
        with place.talking("b", "a") as friend, place.talking("c", "a") as stranger:
            friend.until("+", monotonic())
            stranger.until("-", monotonic())
            for damage in (
                "flush map inet portway ingress4",
                "flush chain inet portway policy-forward",
                "flush set inet portway pods4",
                "delete table inet portway",
            ):
                place.node.command("nft", damage)
                place.expect(lambda: place.everything() == before, f"repaired after: {damage}")
                repaired = monotonic()
                friend.until("+", repaired)  # the pod has answered whom it was asked by meanwhile
                settled = monotonic()
                stranger.until("-", settled)
                assert {word for word, _ in stranger.said(settled)} == {"-"}, damage
            place.expect_talk(False, "c", "a")


def test_switching_policies_on_and_off_under_traffic_hurts_nobody(place: Guarded) -> None:
    place.kill()
    assert place.node.run(agent.cleanup)
    place.start(network_policy=False)
    place.expect_talk(True, "a", "self")
    with place.talking("c", "a") as talker, place.talking("a", "c", "IPv6") as other:
        talker.until("+", monotonic())
        other.until("+", monotonic())
        place.kill()
        place.start()
        place.expect(lambda: place.held("pods4"), "the node knows its pods")
        place.expect(lambda: "policy-forward" in place.node.command("nft", "list", "chains"), "and asks for them")
        with place.policies(FROM_B):
            talker.until("-", monotonic())
        talker.until("+", monotonic())
        assert other.lost_none()
        place.kill()
        place.start(network_policy=False)
        place.expect(lambda: "policy-forward" not in place.node.command("nft", "list", "chains"), "no policies")
        assert place.everything() == {}
        assert other.lost_none()
    place.kill()
    place.start()
    place.expect(lambda: place.held("pods4"), "the node knows its pods")
