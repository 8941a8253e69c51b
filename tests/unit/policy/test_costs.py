"""A change costs what it changes: what a node is told, counted, in a cluster of 1,000 pods and 100 policies."""

from collections.abc import Callable

import pytest
from bench import synthetic_policies as cluster

from portway.nftables import PolicyConfig, PolicyProgram
from portway.policy import PolicyInputs
from portway.policy.peers import SPARE

PODS, POLICIES = 1000, 100
UNSELECTED = cluster.APPLICATIONS - 1
STAMPS = 2
"""The number of the stamps goes, and the next comes."""
Put = Callable[[PolicyInputs], None]


def put(document: cluster.Doc) -> Put:
    """It comes or changes."""
    return lambda inputs: cluster.put(inputs, document)


def goes(document: cluster.Doc) -> Put:
    """It goes."""
    return lambda inputs: cluster.take_away(inputs, document)


@pytest.fixture
def costs() -> Callable[[Put], int]:
    """Carries out a change; how many elements of the kernel's it takes, but for the stamps'."""
    inputs, program = (
        cluster.inputs(cluster.documents(PODS, POLICIES)),
        PolicyProgram(PolicyConfig((cluster.POD_CIDR,))),
    )
    inputs.take()
    program.load(inputs.table)

    def carry_out(change: Put) -> int:
        change(inputs)
        done = program.update(inputs.take())
        return done.element_count - STAMPS if done else 0

    return carry_out


def views() -> int:
    """Enough for one pod's entries: known, hairpin, judged, and a few classes in each direction."""
    return 30


def test_a_pod_and_a_policy_cost_their_own_entries(costs: Callable[[Put], int]) -> None:
    new, policy = cluster.pod(PODS + 400, 0), cluster.policy(0, 400)
    assert 0 < costs(put(new)) <= views()
    assert costs(put(new)) == 0, "it is there already"
    assert 0 < costs(put(policy)) <= 2 * views()
    assert 0 < costs(put(cluster.pod(100, 0))) <= 10, "another node's pod: its class, and who is told of that"
    assert 0 < costs(goes(new)) <= views()


def test_what_no_rule_asks_for_costs_nothing(costs: Callable[[Put], int]) -> None:
    document = cluster.pod(40)
    document["metadata"]["labels"]["pod-template-hash"] = "another"
    assert costs(put(document)) == 0
    assert costs(put(cluster.policy(199))) == 0, "it selects nobody of this node"


def test_policies_that_go_do_not_cost_an_element_for_each_pod_they_spoke_of(costs: Callable[[Put], int]) -> None:
    """Once the last went that asked for a port by name, every pod of the cluster lost its class: 1,015 elements."""
    own = [number for number in range(0, PODS, cluster.NODES) if number // cluster.NAMESPACES == 0]
    for number in own:
        assert 0 < costs(put(cluster.pod(number, UNSELECTED))) <= views()
    for number in own:
        assert 0 < costs(put(cluster.pod(number, 0))) <= views()


def test_a_policy_that_tells_pods_apart_as_none_did_costs_those_pods_once(costs: Callable[[Put], int]) -> None:
    wide = cluster.wide_policy("ns0", 0, ("x0",))
    third = PODS // 3 + 1
    assert third < costs(put(wide)) <= 2 * third + views(), "each leaves a class and joins another"
    assert 0 < costs(goes(wide)) <= views()
    assert 0 < costs(put(wide)) <= views(), "remembered"


def test_what_is_remembered_is_bounded(costs: Callable[[Put], int]) -> None:
    wide = cluster.wide_policy("ns0", 0, ("x0",))
    costs(put(wide))
    for number in range(SPARE + 1):
        costs(put(cluster.wide_policy("ns0", 0, (f"y{number}",))))
    costs(goes(wide))
    assert costs(put(wide)) > PODS // 3
