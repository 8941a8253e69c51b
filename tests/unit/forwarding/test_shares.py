"""Groups with weights: what each endpoint's part of the connections is, in as few slots as it takes."""

from collections import Counter
from collections.abc import Mapping
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from portway.forwarding import ForwardingTable, Inputs, Target, compute, lookup
from portway.forwarding.shares import EXACT, MOST
from portway.model import Disposition, EndpointSlice, Packet, Reason, Service, Share
from portway.nftables import Program, compile
from portway.testing.builders import endpoint, endpoint_slice, proxy_config, service, snapshot

CONFIG = proxy_config()
Groups = Mapping[str, tuple[int, int]]
"""Weight and number of endpoints."""


def pieces(groups: Groups) -> list[EndpointSlice]:
    """A slice for each group; the endpoints of group "a" are 10.244.97.x."""
    return [
        endpoint_slice("web", *(f"10.244.{ord(g)}.{n}" for n in range(1, many + 1)), name=g, share=Share(g, weight))
        for g, (weight, many) in groups.items()
    ]


def table_of(*slices: EndpointSlice, of: Service | None = None) -> ForwardingTable:
    return compute(snapshot(of or service(), *slices), CONFIG)


def target_of(table: ForwardingTable) -> Target:
    return table.contributions["default", "web"].frontends[0].target


def slots_of(target: Target) -> dict[str, list[int]]:
    """The numbers of slots of the endpoints of each group, largest first."""
    found: dict[str, list[int]] = {}
    for backend, number in Counter(target.drawn).items():
        found.setdefault(chr(int(backend.address.split(".")[2])), []).append(number)
    return {group: sorted(numbers, reverse=True) for group, numbers in sorted(found.items())}


@pytest.mark.parametrize(
    ("groups", "slots", "refused"),
    [
        ({"a": (70, 1), "b": (30, 1)}, {"a": [7], "b": [3]}, 0),
        ({"a": (1, 1), "b": (1, 1)}, {"a": [1], "b": [1]}, 0),
        ({"a": (1, 3), "b": (1, 1)}, {"a": [1, 1, 1], "b": [3]}, 0),
        ({"a": (9, 3), "b": (1, 2)}, {"a": [6, 6, 6], "b": [1, 1]}, 0),
        ({"a": (1, 2), "b": (0, 2)}, {"a": [1, 1]}, 0),
        ({"a": (20, 2), "b": (80, 0)}, {"a": [1, 1]}, 8),
        ({"a": (3, 1), "b": (1, 0), "c": (1, 0)}, {"a": [3]}, 2),
        ({"a": (5, 0), "b": (0, 3)}, {}, 0),
        # What 1,000 slots cannot say exactly: 99 % of seven, 1 % of eleven endpoints.
        ({"a": (99, 7), "b": (1, 11)}, {"a": [283] * 6 + [282], "b": [2] * 9 + [1] * 2}, 0),
        # A weight so small that MOST slots are too few for it.
        ({"a": (1_000_000, 1), "b": (1, 1)}, {"a": [1]}, 0),
    ],
)
def test_shares_in_slots(groups: Groups, slots: dict[str, list[int]], refused: int) -> None:
    found = target_of(table_of(*pieces(groups)))
    assert (slots_of(found), found.refused) == (slots, refused)


_groups = st.dictionaries(
    st.sampled_from("abcdef"), st.tuples(st.sampled_from((0, 1, 2, 7, 50, 333, 999_983)), st.integers(0, 40))
)


@given(_groups)
@example({"a": (2, 0), "b": (2, 0), "c": (7, 1), "d": (7, 1), "e": (7, 2), "f": (7, 17)})
def test_a_group_gets_its_part_whatever_the_number_of_its_endpoints(groups: Groups) -> None:
    found = target_of(table_of(*pieces(groups)))
    total = sum(weight for weight, _ in groups.values())
    if not found.cluster:
        assert sum(weight for weight, many in groups.values() if many) * EXACT <= total
        return
    assert found.draws <= MOST
    slots = slots_of(found)
    parts = {group: sum(slots.get(group, ())) for group, (_, many) in groups.items() if many}
    for group, part in parts.items():
        weight, many = groups[group]
        assert abs(Fraction(part, found.draws) - Fraction(weight, total)) < Fraction(1, EXACT)
        assert max(slots.get(group, [0])) - (min(slots[group]) if len(slots.get(group, ())) == many else 0) <= 1
    nowhere = sum(weight for weight, many in groups.values() if not many)
    assert abs(Fraction(found.refused, found.draws) - Fraction(nowhere, total)) < Fraction(1, EXACT)
    assert set(found.drawn) == set(found.cluster)


def test_a_single_group_is_as_if_nobody_spoke_of_shares() -> None:
    told = pieces({"a": (7, 3)})
    plain = [replace(piece, share=None) for piece in told]
    assert table_of(*told) == table_of(*plain)
    assert compile(table_of(*told)) == compile(table_of(*plain))


def test_one_endpoint_in_two_groups_has_both_shares() -> None:
    two = [endpoint_slice("web", "10.244.97.1", name=g, share=Share(g, w)) for g, w in (("a", 1), ("b", 2))]
    found = target_of(table_of(*two, *pieces({"c": (1, 1)})))
    assert slots_of(found) == {"a": [3], "c": [1]}


def test_a_group_in_several_slices_is_one() -> None:
    halves = [endpoint_slice("web", f"10.244.97.{n}", name=f"a{n}", share=Share("a", 1)) for n in (1, 2)]
    assert slots_of(target_of(table_of(*halves, *pieces({"b": (1, 1)})))) == {"a": [1, 1], "b": [2]}


def test_each_group_falls_back_to_terminating_endpoints_of_its_own() -> None:
    leaving = endpoint_slice("web", endpoint("10.244.97.1", terminating=True), name="a", share=Share("a", 1))
    found = target_of(table_of(leaving, *pieces({"b": (2, 1)})))
    assert (slots_of(found), found.refused, found.cluster_terminating) == ({"a": [1], "b": [2]}, 0, False)
    assert target_of(table_of(leaving, *pieces({"b": (2, 0)}))).cluster_terminating


def test_the_other_family_of_a_group_without_endpoints_in_it_is_refused() -> None:
    dual = service(cluster_ip=("10.96.0.10", "fd00:96::10"))
    sixth = endpoint_slice("web", "fd00:244::1", name="a6", share=Share("a", 3))
    table = table_of(*pieces({"a": (3, 1), "b": (1, 1)}), sixth, of=dual)
    four, six = (lookup(table, Packet("10.244.1.9", address, "TCP", 80)) for address in dual.cluster_ips)
    assert (sorted(four.weights), four.refused, four.shares) == ([1, 3], 0, (0.75, 0.25))
    assert (six.weights, six.refused, six.shares) == ((3,), 1, (0.75,))


def test_under_policy_local_endpoints_count_the_same() -> None:
    groups = pieces({"a": (9, 2), "b": (1, 1), "c": (5, 0)})
    plain = [replace(piece, share=None) for piece in groups]
    outside = service(node_port=30080, external_traffic_policy="Local")
    for local in (outside, service(node_port=30080, internal_traffic_policy="Local")):
        assert table_of(*groups, of=local) == table_of(*plain, of=local)


def test_lookup_says_shares_and_who_has_none_is_rejected() -> None:
    packet = Packet("10.244.1.9", "10.96.0.10", "TCP", 80)
    found = lookup(table_of(*pieces({"a": (20, 2), "b": (80, 0)})), packet)
    assert (found.disposition, found.weights, found.refused, found.shares) == (Disposition.FORWARD, (), 8, (0.1, 0.1))
    nobody = lookup(table_of(*pieces({"a": (20, 0)})), packet)
    assert (nobody.disposition, nobody.reason) == (Disposition.REJECT, Reason.NO_ENDPOINTS)


def test_what_stays_keeps_its_slots() -> None:
    inputs = Inputs("node-1")
    inputs.put_service(("default", "web"), service())
    for piece in pieces({"a": (997, 7), "b": (3, 3)}):
        inputs.put_slice(("default", piece.name), piece)
    table = inputs.compute(CONFIG)
    before = target_of(table).slots
    inputs.put_slice(("default", "a"), pieces({"a": (997, 6)})[0])
    after = target_of(inputs.recompute(table)).slots
    gone = sum(1 for backend in before if backend.address == "10.244.97.7")
    moved = sum(1 for was, now in zip(before, after, strict=True) if was != now)
    assert (len(before), moved) == (EXACT, gone)


def test_shares_are_no_matter_for_remembering() -> None:
    inputs = Inputs("node-1", large=0)
    inputs.put_service(("default", "web"), service())
    for piece in pieces({"a": (1, 0), "b": (1, 2)}):
        inputs.put_slice(("default", piece.name), replace(piece, share=None))
    table = inputs.compute(CONFIG)
    for piece in pieces({"a": (1, 0), "b": (1, 2)}):
        inputs.put_slice(("default", piece.name), piece)
        table = inputs.recompute(table)
    assert target_of(table).refused == 2


@pytest.mark.parametrize(
    ("old", "new", "deleted", "added", "chains"),
    [
        # 1,000 slots before and after: what an endpoint gains the others lose.
        ({"a": (997, 7), "b": (3, 3)}, {"a": (997, 6), "b": (3, 3)}, 142, 142, 0),
        ({"a": (997, 7), "b": (3, 3)}, {"a": (997, 8), "b": (3, 3)}, 124, 124, 0),
        # Of 10 slots become 20; 3 of 10 are refused, which one element tells.
        ({"a": (7, 1), "b": (3, 1)}, {"a": (7, 2), "b": (3, 1)}, 1, 11, 1),
        ({"a": (7, 1), "b": (3, 1)}, {"a": (7, 1), "b": (3, 0)}, 3, 1, 0),
    ],
)
def test_a_change_in_a_group_costs_the_slots_that_move(
    old: Groups, new: Groups, deleted: int, added: int, chains: int
) -> None:
    inputs, program = Inputs(), Program(CONFIG)
    inputs.put_service(("default", "web"), service())
    table = inputs.compute(CONFIG)
    for groups in (old, new):
        for piece in pieces(groups):
            inputs.put_slice(("default", piece.name), piece)
        table = inputs.recompute(table)
        change = program.update(table.contributions)
    gone, come = ([e for e in some if e.container != "hairpin4"] for some in (change.delete, change.add))
    assert (len(gone), len(come), len(change.set_chains)) == (deleted, added, chains)
