"""`lookup` against the literal reading of the semantics, on random clusters and packets; and how tables change."""

from hypothesis import given, settings
from hypothesis import strategies as st

from portway.forwarding import ForwardingTable, Frontend, Inputs, compute, lookup
from portway.model import Disposition, EndpointSlice, Packet, ProxyConfig, Service, Snapshot, Verdict
from tests.flows import oracle, strategies

OUTPUT = {Disposition.REJECT: "REJECT", Disposition.DROP: "DROP", Disposition.PASS: ""}


def said(verdict: Verdict) -> oracle.Answer:
    output = OUTPUT.get(verdict.disposition) or ", ".join(sorted(map(str, verdict.backends)))
    return output, verdict.masquerade, frozenset(map(str, verdict.hairpin))


@settings(max_examples=200, deadline=None)
@given(data=st.data(), snapshot=strategies.clusters(), config=strategies.configs())
def test_lookup_agrees_with_the_literal_reading(data: st.DataObject, snapshot: Snapshot, config: ProxyConfig) -> None:
    table, literal = compute(snapshot, config), oracle.Oracle(snapshot, config)
    for packet in data.draw(strategies.packets(snapshot)):
        assert said(lookup(table, packet)) == literal.answer(packet), packet


_any_text = st.one_of(st.text(max_size=12), st.ip_addresses().map(str), st.sampled_from(strategies.PODS))


@given(
    snapshot=strategies.clusters(),
    config=strategies.configs(),
    packet=st.builds(Packet, _any_text, _any_text, st.sampled_from(strategies.PROTOCOLS), st.integers(), st.text()),
)
def test_lookup_never_raises(snapshot: Snapshot, config: ProxyConfig, packet: Packet) -> None:
    assert lookup(compute(snapshot, config), packet).reason is not None


Change = tuple[str, Service | EndpointSlice | None]
_changes = st.one_of(
    *[st.tuples(st.just(f"svc-{n}"), st.one_of(st.none(), strategies.services(n))) for n in range(3)],
    *[st.tuples(st.just(f"slice-{n}"), st.one_of(st.none(), strategies.slices(n))) for n in range(4)],
)


@settings(max_examples=200)
@given(
    config=strategies.configs(), start=strategies.clusters(), changes=st.lists(_changes, max_size=12), data=st.data()
)
def test_recompute_equals_compute_up_to_slots(
    config: ProxyConfig, start: Snapshot, changes: list[Change], data: st.DataObject
) -> None:
    inputs = filled(start, large=data.draw(st.sampled_from((0, 1000))))
    table = inputs.compute(config)
    for name, value in changes:
        put(inputs, name, value)
        if data.draw(st.booleans()):
            table = inputs.recompute(table)
    table = inputs.recompute(table)
    assert without_slots(table) == without_slots(compute(inputs.snapshot, config))


def filled(snapshot: Snapshot, large: int) -> Inputs:
    inputs = Inputs("node-1", large)
    for service_key, service in snapshot.services.items():
        inputs.put_service(service_key, service)
    for slice_key, piece in snapshot.slices.items():
        inputs.put_slice(slice_key, piece)
    for name, node in snapshot.nodes.items():
        inputs.put_node(name, node)
    inputs.put_service_cidrs(snapshot.service_cidrs)
    return inputs


def put(inputs: Inputs, name: str, value: Service | EndpointSlice | None) -> None:
    if isinstance(value, Service) or name.startswith("svc"):
        assert not isinstance(value, EndpointSlice)
        inputs.put_service(("ns", name), value)
    else:
        inputs.put_slice(("ns", name), value)


def without_slots(table: ForwardingTable) -> object:
    return {
        key: (
            [(f.kind, f.address, f.protocol, f.port, f.local_policy, f.source_ranges, sets(f)) for f in c.frontends],
            c.cluster_ips,
            c.health_check,
        )
        for key, c in table.contributions.items()
    }


def sets(frontend: Frontend) -> object:
    target = frontend.target
    return (
        target.name,
        frozenset(target.cluster),
        frozenset(target.local),
        len(target.cluster),
        len(target.local),
        target.has_endpoints,
        target.cluster_terminating,
        target.local_terminating,
        target.session_affinity_seconds,
    )
