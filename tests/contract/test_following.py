"""Whatever changes come: what is followed step by step is what would be made anew, in values and in the kernel."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from portway.agent.table import KernelTable
from portway.forwarding import ForwardingTable, compute
from portway.model import Packet, ProxyConfig, Snapshot
from portway.nftables import Program, Ruleset, compile, diff, program, trace
from portway.testing.netns import Namespace, Unavailable, World
from tests.contract.state import Held, held
from tests.flows import strategies
from tests.unit.nftables.test_program import CONFIG, backends, web


@pytest.fixture(scope="module", params=[None, True], ids=["as we are", "user namespace"])
def place(request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """A network namespace of our own."""
    try:
        with World(request.param) as world:
            yield world.namespace("node")
    except Unavailable as reason:
        pytest.skip(f"no network namespaces here: {reason}")


class Step(Struct, frozen=True):
    """What a node is to do from now on. `anew`: by an agent that has just started."""

    snapshot: Snapshot
    config: ProxyConfig
    anew: bool

    def table(self) -> ForwardingTable:
        """The same as a table."""
        return compute(self.snapshot, self.config)


steps = st.lists(
    st.builds(Step, strategies.any_clusters, st.shared(strategies.configs()), st.sampled_from((False, False, True)))
    | st.builds(Step, strategies.any_clusters, strategies.configs(), st.booleans()),
    min_size=2,
    max_size=5,
)


def _next(held: Program, was: ForwardingTable, now: ForwardingTable, kernel: KernelTable) -> Program:
    """Program the change as an agent does: what changed of Services; everything when the node itself changed."""
    if (was.config, was.service_cidrs) != (now.config, now.service_cidrs):
        fresh = program(now)
        assert kernel.apply(diff(held.ruleset, fresh.ruleset), fresh.ruleset.containers)
        return fresh
    changed = {key: now.contributions.get(key) for key in was.contributions.keys() | now.contributions.keys()}
    assert kernel.apply(held.update(changed), held.ruleset.containers)
    return held


def _follow(path: list[Step]) -> list[tuple[Held, frozenset[str]]]:
    """What the kernel holds after each step, and which chains it should. Runs in a namespace."""
    seen: list[tuple[Held, frozenset[str]]] = []
    followed: Program | None = None
    for number, step in enumerate(path):
        now = step.table()
        if followed is None or step.anew:
            kernel, followed = KernelTable(), program(now)
            kernel.adopt(followed.ruleset)
        else:
            followed = _next(followed, path[number - 1].table(), now, kernel)
        seen.append((held(), frozenset(followed.ruleset.chains)))
    return seen


@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
@given(path=steps)
def test_the_kernel_follows_random_changes(place: Namespace, path: list[Step]) -> None:
    for step, (kernel, chains) in zip(path, place.run(_follow, path), strict=True):
        anew = compile(step.table())
        assert kernel.elements == anew.elements
        assert kernel.chains == chains >= anew.chains.keys()


def _size(ruleset: Ruleset) -> tuple[int, int]:
    return len(ruleset.chains), sum(len(chain.rules) for chain in ruleset.chains.values())


@pytest.mark.parametrize("services", [1, 10, 100, 1000, 10_000])
def test_chains_and_rules_count_behaviours_not_services(services: int) -> None:
    """From 1 to 10,000 Services of three endpoints each: the same rules, and the same way for a packet."""
    table = ForwardingTable(CONFIG, {c.service: c for c in (web(n, backends(3, n)) for n in range(services))})
    ruleset, one = compile(table), compile(ForwardingTable(CONFIG, {(c := web(0, backends(3))).service: c}))
    assert _size(ruleset) == _size(one)
    assert ruleset.chains == one.chains
    for address, port in (("10.96.0.1", 80), ("172.18.0.11", 30000)):
        packet = Packet("203.0.113.5", address, "TCP", port)
        ways = [trace(some, packet, CONFIG.node_addresses).steps for some in (ruleset, one)]
        assert ways[0] == ways[1], "as many rules matched"


@pytest.mark.parametrize("most", [1, 5, 20])
def test_rules_grow_with_numbers_of_endpoints_in_use(most: int) -> None:
    """One chain for each number at clusterIPs, two at nodePorts, whoever has so many."""
    sizes = {
        services: _size(compile(ForwardingTable(CONFIG, {c.service: c for c in many})))
        for services in (most, 10 * most)
        for many in [[web(n, backends(n % most + 1, n)) for n in range(services)]]
    }
    assert sizes[most] == sizes[10 * most]
    none = _size(compile(ForwardingTable(CONFIG, {})))
    assert sizes[most][0] == none[0] + 3 * most
