"""Session affinity as values: what stands for a ServicePort, who may be remembered, and what a trace makes of it."""

from msgspec.structs import replace

from portway.forwarding import Contribution
from portway.model import Backend, Packet, ServicePortName
from portway.nftables import Element, Program, Ruleset, compile, trace
from portway.nftables.affinity import Affinity
from portway.nftables.datatype import address_bytes, backend_bytes, native
from portway.nftables.elements import number_of
from tests.unit.nftables.test_program import CONFIG, backends, content, needed, table, web

PACKET = Packet("192.0.2.7", "10.96.0.2", "TCP", 80)
NODE_PORT = Packet("192.0.2.7", "172.18.0.11", "TCP", 30001)


def sticky(number: int, pods: tuple[Backend, ...], seconds: int = 60, name: str = "") -> Contribution:
    """A NodePort Service with session affinity."""
    plain = web(number, pods, name)
    target = replace(plain.frontends[0].target, session_affinity_seconds=seconds)
    return replace(plain, frontends=tuple(replace(f, target=target) for f in plain.frontends))


def key_of(contribution: Contribution, client: str = PACKET.source, local: bool = False) -> bytes:
    """Under which a client is remembered."""
    return address_bytes(client) + native(number_of(contribution.frontends[0].target.name) | local)


def test_a_trace_sends_a_remembered_client_where_it_was() -> None:
    service = sticky(1, backends(5))
    ruleset = compile(table(service))
    known = {key_of(service): backend_bytes(backends(5)[3])}
    knowing = Ruleset(ruleset.containers, ruleset.chains, {**ruleset.elements, "affinity4": known})
    for packet in (PACKET, NODE_PORT):
        assert len(trace(ruleset, packet, CONFIG.node_addresses).candidates) == 5
        assert trace(knowing, packet, CONFIG.node_addresses).candidates == (str(backends(5)[3]),)
        other = replace(packet, source="192.0.2.8")
        assert len(trace(knowing, other, CONFIG.node_addresses).candidates) == 5


def test_rules_and_chains_do_not_count_services_with_affinity() -> None:
    def size(services: int) -> tuple[int, int]:
        ruleset = compile(table(*(sticky(n, backends(n % 5, n), 60 + n % 2) for n in range(services))))
        return len(ruleset.chains), sum(len(chain.rules) for chain in ruleset.chains.values())

    assert size(10) == size(50) == size(2000)


def test_the_timeout_changes_with_the_service() -> None:
    program = Program(CONFIG)
    program.update({("shop", "web-1"): sticky(1, backends(3))})
    program.update({("shop", "web-2"): sticky(2, backends(3))})
    for seconds in (5, 0, 60):
        wanted = sticky(1, backends(3), seconds)
        program.update({wanted.service: wanted})
        assert content(needed(program)) == content(compile(table(wanted, sticky(2, backends(3)))))


def test_who_is_forgotten() -> None:
    affinity = Affinity()
    old, other = sticky(1, backends(3)), sticky(2, backends(3))
    affinity.put(old.service, old)
    affinity.put(other.service, other)
    affinity.lost = False
    affinity.put(old.service, sticky(1, backends(4)))
    affinity.put(("shop", "plain"), web(3, backends(3)))
    assert not affinity.lost, "nobody left"
    affinity.put(old.service, sticky(1, backends(2)))
    assert affinity.lost
    stays, leaves = (backend_bytes(backends(3)[n]) for n in (0, 2))
    held = {
        key_of(old): leaves,
        key_of(old, "192.0.2.8"): stays,
        key_of(other): leaves,
        key_of(web(9, ())): stays,
        key_of(old, local=True): stays,
    }
    assert set(affinity.stale("4", held)) == {
        Element("affinity4", key_of(old), leaves),
        Element("affinity4", key_of(web(9, ())), stays),
        Element("affinity4", key_of(old, local=True), stays),
    }


def test_two_service_ports_never_have_the_same_number() -> None:
    affinity = Affinity()
    first = sticky(1, backends(1)).frontends[0]
    number = affinity.number(first)
    assert number == number_of(first.target.name)
    # whoever else comes to this number
    affinity._numbers.clear()
    affinity._names[number] = ServicePortName("shop", "other", "http", "TCP")
    assert affinity.number(first) == affinity.number(first) == number + 2
    assert affinity.number(web(2, backends(1)).frontends[0]) == 0


def test_affinitys_base_chains_are_there_for_services_with_affinity_only() -> None:
    hooked = {"affinity-prerouting", "affinity-output"}
    program = Program(CONFIG, spares=0)
    assert not hooked & program.ruleset.chains.keys()
    for number in (1, 2):
        program.update({("shop", f"web-{number}"): sticky(number, backends(3))})
        assert hooked < program.ruleset.chains.keys()
    program.update({("shop", "web-1"): web(1, backends(3))})
    assert hooked < program.ruleset.chains.keys()
    change = program.update({("shop", "web-2"): None})
    assert hooked < set(change.delete_chains)
    assert not hooked & program.ruleset.chains.keys()
