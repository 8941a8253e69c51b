"""A Program that follows changes holds what compiling anew gives, and its transactions are small."""

from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portway.forwarding import Contribution, ForwardingTable, Frontend, ServiceKey, Target, compute
from portway.model import Backend, LocalDetector, ProxyConfig, ServicePortName, Snapshot
from portway.nftables import (
    Container,
    Element,
    KernelError,
    Program,
    Ruleset,
    Transaction,
    apply,
    compile,
    diff,
    elements_of,
    render,
    unite_rulesets,
)
from portway.nftables.elements import Column
from portway.nftables.made import Made
from tests.flows import strategies

CONFIG = ProxyConfig(
    "node-1",
    ("172.18.0.11", "fd00:18::11"),
    ("172.18.0.11", "fd00:18::11"),
    local_detector=LocalDetector("ClusterCIDR", ("10.244.0.0/16", "fd00:244::/48")),
)


def content(ruleset: Ruleset) -> object:
    """What counts in a comparison: the order of chains does not."""
    return dict(ruleset.containers), dict(ruleset.chains), {n: dict(held) for n, held in ruleset.elements.items()}


def needed(program: Program) -> Ruleset:
    """A program's ruleset without the chains that it keeps for later."""
    held, spare = program.ruleset, program.spare_chains
    return Ruleset(held.containers, {n: c for n, c in held.chains.items() if n not in spare}, held.elements)


def backends(count: int, first: int = 0) -> tuple[Backend, ...]:
    """Pods on node-1, node-2, …"""
    found = range(first, first + count)
    return tuple(Backend(f"10.244.{n % 250}.{n // 250 + 2}", 8080, f"node-{n % 9 + 1}") for n in found)


def web(number: int, pods: tuple[Backend, ...], name: str = "") -> Contribution:
    """A NodePort Service with a clusterIP."""
    name = name or f"web-{number}"
    target = Target(ServicePortName("shop", name, "http", "TCP"), pods, (), bool(pods))
    address = f"10.96.{number // 250}.{number % 250 + 1}"
    frontends = (
        Frontend("clusterIP", "IPv4", address, "TCP", 80, target),
        Frontend("nodePort", "IPv4", "", "TCP", 30000 + number, target),
    )
    return Contribution(("shop", name), frontends, (address,))


def table(*contributions: Contribution) -> ForwardingTable:
    """A table of these."""
    return ForwardingTable(CONFIG, {c.service: c for c in contributions})


@settings(max_examples=40, deadline=None)
@given(data=st.data(), config=strategies.configs(), spares=st.sampled_from((0, 1, 5, 64)))
def test_following_changes_equals_compiling_anew(data: st.DataObject, config: ProxyConfig, spares: int) -> None:
    snapshots: list[Snapshot] = data.draw(st.lists(strategies.any_clusters, min_size=2, max_size=5))
    program = Program(config, strategies.SERVICE_CIDRS, spares)
    held = Ruleset({}, {}, {})
    held = apply(held, diff(held, program.ruleset))
    before: Mapping[ServiceKey, Contribution] = {}
    for snapshot in snapshots:
        wanted = compute(snapshot, config).contributions
        changed = {key: wanted.get(key) for key in before.keys() | wanted.keys()}
        held = apply(held, program.update(changed))
        anew = compile(ForwardingTable(config, wanted, strategies.SERVICE_CIDRS))
        assert content(held) == content(program.ruleset)
        assert content(needed(program)) == content(anew)
        assert len(program.spare_chains) <= 6 * spares, "a behaviour has at most six chains"
        before = wanted


@settings(max_examples=40, deadline=None)
@given(old=strategies.any_clusters, new=strategies.any_clusters, one=strategies.configs(), other=strategies.configs())
def test_diff_leads_from_any_ruleset_to_any_other(
    old: Snapshot, new: Snapshot, one: ProxyConfig, other: ProxyConfig
) -> None:
    was, wanted = compile(compute(old, one)), compile(compute(new, other))
    assert content(apply(was, diff(was, wanted))) == content(wanted)
    assert not diff(wanted, wanted)


@settings(max_examples=30, deadline=None)
@given(snapshot=strategies.any_clusters, config=strategies.configs())
def test_a_ruleset_is_the_union_of_what_services_add(snapshot: Snapshot, config: ProxyConfig) -> None:
    wanted = compute(snapshot, config)
    ruleset = compile(wanted)
    found = {Element(n, key, value) for n, held in ruleset.elements.items() for key, value in held.items()}
    assert found == set().union(*(elements_of(c, config) for c in wanted.contributions.values()))


@pytest.mark.parametrize(
    ("old", "new", "deleted", "added", "chains"),
    [
        # what changes of a Service with ten pods, at a clusterIP and a nodePort → elements deleted, added, new chains
        (backends(10), backends(10), 0, 0, 0),
        (backends(10), (*backends(9), *backends(1, 50)), 2, 2, 0),
        (backends(10), backends(9), 4, 2, 3),
        (backends(9), backends(10), 2, 4, 3),
        (backends(10), (), 22, 2, 0),
    ],
)
def test_a_change_costs_what_differs(
    old: tuple[Backend, ...], new: tuple[Backend, ...], deleted: int, added: int, chains: int
) -> None:
    program = Program(CONFIG)
    program.update({("shop", f"web-{n}"): web(n, backends(7, n)) for n in range(1, 500)})
    program.update({("shop", "web-0"): web(0, old)})
    change = program.update({("shop", "web-0"): web(0, new)})
    # the node's own pods have hairpin pairs, which this is not about
    gone, come = ([e for e in some if e.container != "hairpin4"] for some in (change.delete, change.add))
    assert (len(gone), len(come), len(change.set_chains)) == (deleted, added, chains)


def test_a_number_of_endpoints_that_comes_back_finds_its_chains() -> None:
    program = Program(CONFIG, spares=2)
    changes = [program.update({("shop", "web-0"): web(0, backends(n))}) for n in (5, 4, 5, 4, 3, 2)]
    assert [(len(c.set_chains), len(c.delete_chains)) for c in changes] == [
        (3, 0),
        (3, 0),
        (0, 0),
        (0, 0),
        (3, 3),
        (3, 3),
    ]
    assert program.spare_chains == {"cluster-ip4-3", "node-port-cluster4-3", "node-port-external4-3"}


def test_rules_and_chains_do_not_count_services() -> None:
    def size(services: int) -> tuple[int, int]:
        ruleset = compile(table(*(web(n, backends(n % 5, n)) for n in range(services))))
        return len(ruleset.chains), sum(len(chain.rules) for chain in ruleset.chains.values())

    assert size(5) == size(50) == size(2000)


def test_the_first_by_name_has_a_contested_frontend() -> None:
    a, b = web(1, backends(2), "a"), web(1, backends(3, 20), "b")
    both = compile(table(a, b))
    assert both.elements["frontends4"] == compile(table(a)).elements["frontends4"]
    program = Program(CONFIG)
    program.update({b.service: b})
    program.update({a.service: a})
    assert content(needed(program)) == content(both)
    assert set(program.contested.values()) == {(a.service, b.service)}
    program.update({a.service: None})
    assert content(needed(program)) == content(compile(table(b)))
    assert not program.contested


def test_a_frontend_that_changes_hands_twice_in_one_update_leaves_nothing() -> None:
    """Two Services with one external address go, or change, together: a node that lagged hears of both at once."""
    a, b = web(1, backends(2), "a"), web(1, backends(3, 20), "b")
    program = Program(CONFIG)
    program.update({a.service: a, b.service: b})
    gone = program.update({a.service: None, b.service: None})
    assert content(needed(program)) == content(compile(table()))
    assert {e.container for e in gone.delete} >= {"frontends4", "endpoints4"} and not gone.add


MARKS = Container("cluster_ips4", compile(table()).containers["cluster_ips4"].key)
ONE, OTHER = Element("frontends4", b"k", b"drop"), Element("frontends4", b"k", b"goto no-endpoints")


@pytest.mark.parametrize(
    ("transactions", "code"),
    [
        ([Transaction(add=(ONE,)), Transaction(add=(ONE,))], ""),
        ([Transaction(add=(ONE,)), Transaction(add=(OTHER,))], "EEXIST"),
        ([Transaction(add=(ONE,)), Transaction(delete=(ONE,), add=(OTHER,))], ""),
        ([Transaction(delete=(ONE,))], "ENOENT"),
        ([Transaction(add=(Element("nowhere", b"k"),))], "ENOENT"),
        ([Transaction(delete_chains=("nowhere",))], "ENOENT"),
        ([Transaction(add=(OTHER,)), Transaction(delete_chains=("no-endpoints",))], "EBUSY"),
        ([Transaction(delete_chains=("services4",))], "EBUSY"),
    ],
)
def test_the_fake_refuses_what_the_kernel_refuses(transactions: list[Transaction], code: str) -> None:
    ruleset = compile(table())
    *before, last = transactions
    for transaction in before:
        ruleset = apply(ruleset, transaction)
    if not code:
        assert apply(ruleset, last)
        return
    with pytest.raises(KernelError) as refused:
        apply(ruleset, last)
    assert refused.value.code == code


def test_what_people_read() -> None:
    shown = render(compile(table(web(0, backends(2)))))
    assert "add element inet portway frontends4 { 10.96.0.1 . tcp . 80 : goto cluster-ip4-2 }" in shown
    assert "10.96.0.1 . tcp . 80 . 1 : 10.244.1.2 . 8080" in shown
    assert "add rule inet portway cluster-ip4-2 meta l4proto { tcp, udp, sctp } dnat ip addr . port to" in shown


def test_endpoints_are_made_when_somebody_goes_through_them(monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program(CONFIG)
    program.load({("shop", "web-1"): web(1, backends(3))})
    made: list[Column] = []
    original = Made.entries

    def counted(self: Made) -> Iterator[tuple[bytes, bytes]]:
        made.extend(self._columns())
        return original(self)

    monkeypatch.setattr(Made, "entries", counted)
    held = unite_rulesets(program.ruleset, Ruleset()).elements.get("endpoints4", {})
    assert (len(held), made) == (3, [])
    assert len(dict(held.items())) == 3
    assert len(made) == 1
    assert all(held[key] == value for key, value in list(held.items()))
    assert len(made) == 3, "once to go through, once to keep"
