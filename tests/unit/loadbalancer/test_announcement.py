"""Which nodes may announce an address, in which words nobody may, and what one of them does about it."""

from typing import Any

import pytest

from portway.loadbalancer import Refusal
from portway.loadbalancer.announcement import EXCLUDED, Candidates, candidates
from portway.loadbalancer.election import TURN, Situation, Timing, move
from portway.model import LabelSelector, Requirement
from portway.model.loadbalancer import AddressPool, AnnouncingNode, BalancedService, L2Advertisement, parse_range

POOL = AddressPool("p", (parse_range("10.0.0.0/24"),), labels={"tier": "gold"})
ADDRESS = "10.0.0.7"
NODES = [AnnouncingNode(f"node-{k}", {"disk": "ssd"} if k == 1 else {}) for k in (1, 2, 3)]
SSD = (LabelSelector((Requirement("disk", "=", ("ssd",)),)),)
GOLD = (LabelSelector((Requirement("tier", "=", ("gold",)),)),)


def ask(
    *advertisements: L2Advertisement, nodes: list[AnnouncingNode] = NODES, local: tuple[str, ...] = (), **service: Any
) -> Candidates | Refusal:
    asking = BalancedService("shop", "web", addresses=(ADDRESS,), **service)
    return candidates(asking, ADDRESS, [POOL], advertisements or [L2Advertisement("all")], nodes, local)


def names(answer: Candidates | Refusal) -> set[str]:
    assert isinstance(answer, Candidates), answer
    return set(answer.ranked)


def test_candidates() -> None:
    every = {"node-1", "node-2", "node-3"}
    assert names(ask()) == every
    assert names(ask(L2Advertisement("a", pools=("p",)))) == every
    assert names(ask(L2Advertisement("a", pool_selectors=GOLD))) == every
    assert names(ask(L2Advertisement("a", node_selectors=SSD))) == {"node-1"}
    assert names(ask(local=("node-2", "node-9"), external_traffic_policy="Local")) == {"node-2"}
    assert names(ask(local=("node-2",))) == every
    both = ask(
        L2Advertisement("a", node_selectors=SSD, interfaces=("eth1",)), L2Advertisement("b", interfaces=("eth2",))
    )
    assert isinstance(both, Candidates)
    assert both.interfaces["node-1"] == {"eth1", "eth2"}
    assert both.interfaces["node-2"] == {"eth2"}
    every_nic = ask(L2Advertisement("a", interfaces=("eth1",)), L2Advertisement("b"))
    assert isinstance(every_nic, Candidates) and not every_nic.interfaces["node-1"]


def test_a_node_that_goes_moves_only_its_own_addresses() -> None:
    def first(address: str, nodes: list[AnnouncingNode]) -> str:
        service = BalancedService("shop", "web")
        answer = candidates(service, address, [POOL], [L2Advertisement("all")], nodes, ())
        assert isinstance(answer, Candidates)
        return answer.ranked[0]

    addresses = [f"10.0.0.{n}" for n in range(60)]
    before = {address: first(address, NODES) for address in addresses}
    after = {address: first(address, NODES[:2]) for address in addresses}
    assert set(before.values()) == {"node-1", "node-2", "node-3"}
    assert all(after[a] == before[a] for a in addresses if before[a] != "node-3")


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (ask(L2Advertisement("a", pools=("q",))), "LB_NOT_ADVERTISED", "create one with ipAddressPools: [p]"),
        (ask(L2Advertisement("a", service_selectors=SSD)), "LB_NOT_ADVERTISED", "no L2Advertisement is for"),
        (ask(nodes=[AnnouncingNode("n", {EXCLUDED: ""})]), "LB_NODES_EXCLUDED", f"(n) has the label {EXCLUDED}"),
        (ask(nodes=[AnnouncingNode("n", available=False)]), "LB_NODES_EXCLUDED", "(none)"),
        (ask(L2Advertisement("a", node_selectors=GOLD)), "LB_NO_NODE_SELECTED", "nodeSelectors of L2Advertisement a"),
        (ask(external_traffic_policy="Local"), "LB_NO_LOCAL_ENDPOINT", "no node has"),
        (ask(external_traffic_policy="Local", local=("x",)), "LB_NO_LOCAL_ENDPOINT", "x has"),
    ],
)
def test_nobody_may(answer: Candidates | Refusal, code: str, words: str) -> None:
    assert isinstance(answer, Refusal)
    assert answer.code == code
    assert words in answer.message


def situation(**fields: Any) -> Situation:
    usual: dict[str, Any] = {
        "me": "b",
        "ranked": ("a", "b", "c"),
        "holder": "",
        "holder_alive": False,
        "able": True,
        "vacant_for": 0.0,
    }
    return Situation(**(usual | fields))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (situation(holder="b", holder_alive=True), ("announce", 0.0)),
        (situation(holder="b", able=False), ("release", 0.0)),
        (situation(holder="b", ranked=("a", "c")), ("release", 0.0)),
        (situation(holder="a", holder_alive=True), ("wait", 0.0)),
        (situation(holder="x", holder_alive=True), ("wait", 0.0)),
        (situation(holder="a", dead=frozenset({"a"})), ("claim", 0.0)),
        (situation(), ("wait", TURN)),
        (situation(vacant_for=TURN), ("claim", 0.0)),
        (situation(me="a"), ("claim", 0.0)),
        (situation(me="c", vacant_for=TURN), ("wait", TURN)),
        (situation(able=False, vacant_for=9.0), ("wait", 0.0)),
        (situation(me="d", vacant_for=9.0), ("wait", 0.0)),
    ],
)
def test_a_nodes_move(now: Situation, expected: tuple[str, float]) -> None:
    assert move(now) == expected


def test_who_is_silent_is_so_before_others_speak() -> None:
    for expiry in (0.5, 0.8, 2.0, 15.0):
        timing = Timing(expiry)
        assert 2 * timing.beat < timing.fence < timing.expiry
