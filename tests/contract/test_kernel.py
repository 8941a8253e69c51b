"""The same transactions on the fake and on the real kernel give the same content; the codec against nft's own words."""

import errno
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from ipaddress import ip_network

import pytest

from portway.agent.nf_tables import NfTables, Refusal, Refused
from portway.agent.table import KernelTable
from portway.forwarding import Contribution, ForwardingTable
from portway.nftables import (
    Container,
    Element,
    PolicyConfig,
    PolicyProgram,
    Program,
    Ruleset,
    Transaction,
    apply,
    element_text,
)
from portway.nftables.render import creation, render
from portway.policy import PolicyTable
from portway.policy.table import (
    ANYBODY,
    EVERYTHING,
    FIRST_PORT_SET,
    OTHER_PROTOCOLS,
    AddressRange,
    Constrained,
    Pair,
    PortRange,
)
from portway.testing.netns import Namespace, Unavailable, World
from tests.contract.services import CONFIG, SERVICE_CIDRS, service, table
from tests.contract.state import Held, held
from tests.unit.nftables.test_program import backends, web

OURS = ("inet", "portway")


@pytest.fixture(params=[None, True], ids=["as we are", "user namespace"])
def place(request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """An empty network namespace."""
    try:
        with World(request.param) as world:
            yield world.namespace("node")
    except Unavailable as reason:
        pytest.skip(f"no network namespaces here: {reason}")


def everything() -> ForwardingTable:
    """Services of every behaviour."""
    ranges = {"load_balancer_source_ranges": ("9.0.0.0/8", "10.1.2.0/24", "fd00:9::/64")}
    balanced = {"load_balancer_ips": ("203.0.113.9", "2001:db8::9"), **ranges}
    return table(
        (service("web", 10), "abc"),
        (service("near", 11, internal_traffic_policy="Local"), "ab"),
        (service("none", 12), ""),
        (service("outer", 13, external_traffic_policy="Local", external_ips=("203.0.113.5",)), "ac"),
        (service("far", 14, external_traffic_policy="Local", internal_traffic_policy="Local"), "c"),
        (service("balanced", 15, **balanced), "b"),
    )


def _follow(steps: list[dict[tuple[str, str], Contribution | None]]) -> list[tuple[Held, bool]]:
    """Program each step; what the kernel held then, and whether nobody else wrote. Runs in a namespace."""
    program, kernel = Program(CONFIG, SERVICE_CIDRS), KernelTable()
    kernel.adopt(program.ruleset)
    seen = []
    for changes in steps:
        alone = kernel.apply(program.update(changes), program.ruleset.containers)
        seen.append((held(), alone))
    return seen


def test_the_fake_and_the_kernel_hold_the_same_after_each_transaction(place: Namespace) -> None:
    full = dict(everything().contributions)
    keys = sorted(full)
    steps: list[dict[tuple[str, str], Contribution | None]] = [
        {key: full[key] for key in keys[:3]},
        {key: full[key] for key in keys[3:]},
        {keys[0]: None, keys[4]: full[keys[0]]},
        dict.fromkeys(keys),
        dict(full),
    ]
    program = Program(CONFIG, SERVICE_CIDRS)
    fake = apply(Ruleset({}, {}, {}), creation(program.ruleset))
    for changes, (kernel, alone) in zip(steps, place.run(_follow, steps), strict=True):
        fake = apply(fake, program.update(changes))
        assert kernel.elements == {name: dict(some) for name, some in fake.elements.items()}
        assert kernel.chains == set(fake.chains)
        assert alone


def _load(contributions: list[Contribution]) -> Held:
    program, kernel = Program(CONFIG, SERVICE_CIDRS), KernelTable()
    program.update({c.service: c for c in contributions})
    kernel.adopt(program.ruleset)
    again = KernelTable().adopt(program.ruleset)
    assert not again, "what is right is not touched"
    return held()


def test_a_cluster_larger_than_one_batch_loads_whole(place: Namespace) -> None:
    many = [web(n, backends(10, n)) for n in range(1500)]
    program = Program(CONFIG, SERVICE_CIDRS)
    program.update({c.service: c for c in many})
    assert place.run(_load, many).elements == program.ruleset.elements


def _counts(services: int) -> tuple[int, int]:
    kernel = _load([web(n, backends(n % 5, n)) for n in range(services)])
    return len(kernel.chains), kernel.rules


def test_the_kernels_chains_and_rules_do_not_count_services(place: Namespace) -> None:
    assert place.run(_counts, 5) == place.run(_counts, 2000)


def _listed(ruleset: Ruleset) -> None:
    KernelTable().adopt(ruleset)


def test_nft_lists_what_the_codec_wrote(place: Namespace) -> None:
    program = Program(CONFIG, SERVICE_CIDRS)
    program.update(everything().contributions)
    ruleset = program.ruleset
    place.run(_listed, ruleset)
    listing = place.command("nft", "-n", "list", "table", "inet", "portway")
    shown = {word.strip() for word in re.split(r"[,{}]", re.sub(r"\s+", " ", listing))}
    for name, some in ruleset.elements.items():
        container = ruleset.containers[name]
        for key, value in some.items():
            if not container.interval:
                assert _as_listed(element_text(container, key, value)) in shown, name


POLICIES = PolicyTable(
    pods={a: Constrained(True, True) for a in ("10.244.1.2", "fd00:244:1::2")},
    classes={"10.244.2.2": 2, "fd00:244:2::2": 0x12345},
    ranges={
        AddressRange("9.0.0.0", "9.0.0.9"): 3,
        AddressRange("10.0.0.0", "10.0.0.0"): 2,
        AddressRange("255.255.255.0", "255.255.255.255"): 4,
        AddressRange("2001:db8::", "2001:db8::ffff"): 3,
        AddressRange("fd00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"): 5,
    },
    pairs={
        Pair("Ingress", "10.244.1.2", 2): FIRST_PORT_SET,
        Pair("Egress", "fd00:244:1::2", 0x12345): FIRST_PORT_SET + 1,
        Pair("Ingress", "fd00:244:1::2", ANYBODY): EVERYTHING,
        Pair("Egress", "10.244.1.2", ANYBODY): FIRST_PORT_SET + 1,
    },
    ports={
        PortRange(FIRST_PORT_SET, "TCP", 80, 80): True,
        PortRange(FIRST_PORT_SET, "UDP", 0, 65535): True,
        PortRange(FIRST_PORT_SET + 1, "SCTP", 9, 99): True,
        PortRange(FIRST_PORT_SET + 1, OTHER_PROTOCOLS, 0, 65535): True,
    },
    own_node=("172.18.0.11", "fd00:18::11"),
)


def test_nft_lists_what_the_codec_wrote_of_policies(place: Namespace) -> None:
    program = PolicyProgram(PolicyConfig(("10.244.1.0/24", "fd00:244:1::/64"), "v*"))
    program.load(POLICIES)
    place.run(_listed, program.ruleset)
    for name, some in program.ruleset.elements.items():
        container = program.ruleset.containers[name]
        listing = place.command(
            "nft", "-n", "list", "map" if container.value or container.verdicts else "set", *OURS, name
        )
        inside = re.sub(r"\s+", " ", listing).partition("elements = {")[2].rstrip("} ")
        shown = {_spelt_out(word.strip()) for word in inside.split(",") if word.strip()}
        assert shown == {_as_listed(element_text(container, key, value)) for key, value in some.items()}, name
    assert place.run(_policies_held, program.ruleset) == {n: dict(e) for n, e in program.ruleset.elements.items()}


def _spelt_out(listed: str) -> str:
    """nft shows a range of addresses that is a network as such, has a word for the last priority, and marks in hex."""
    listed = listed.replace(" : root", " : ffff:ffff")
    if listed.startswith("0x"):
        return str(int(listed, 16))
    key, _, value = listed.partition(" : ")
    if "/" not in key:
        return listed
    network = ip_network(key)
    return f"{network[0]}-{network[-1]} : {value}"


def _policies_held(ruleset: Ruleset) -> dict[str, dict[bytes, bytes]]:
    kernel = NfTables()
    return {name: kernel.elements(container) for name, container in ruleset.containers.items()}


def _as_listed(written: str) -> str:
    for name, number in (("sctp", "132"), ("tcp", "6"), ("udp", "17")):
        written = re.sub(rf"(^| ){name} ", rf"\g<1>{number} ", written)
    return written


def test_the_text_that_people_get_loads_into_an_empty_kernel(place: Namespace) -> None:
    program = Program(CONFIG, SERVICE_CIDRS)
    program.update(everything().contributions)
    place.command("nft", "-f", "-", text=render(program.ruleset))
    kernel = place.run(held)
    assert kernel.elements == program.ruleset.elements
    assert kernel.chains == set(program.ruleset.chains)
    chains = json.loads(place.command("nft", "-j", "list", "table", "inet", "portway"))["nftables"]
    assert {c["chain"]["name"] for c in chains if "chain" in c} == kernel.chains


def _blunder() -> Held:
    program, kernel = Program(CONFIG, SERVICE_CIDRS), KernelTable()
    kernel.adopt(program.ruleset)
    wrong = Element("frontends4", web_key(99), b"goto nowhere")
    right = Element("frontends4", web_key(1), b"drop")
    missing = Element("no_endpoints4", web_key(5), b"drop")
    kernel.apply(Transaction(delete=(missing,), add=(wrong, right)), program.ruleset.containers)
    return held()


def web_key(number: int) -> bytes:
    """10.96.0.N . tcp . 80."""
    return bytes([10, 96, 0, number, 6, 0, 0, 0, 0, 80, 0, 0])


def test_one_bad_element_does_not_hold_up_the_rest(place: Namespace) -> None:
    assert place.run(_blunder).elements["frontends4"] == {web_key(1): b"drop"}


class _Meddled(KernelTable):
    """A table that somebody else changes once, between our look at it and our writing."""

    meddled = False

    def _held(self, container: Container) -> dict[bytes, bytes]:
        seen = super()._held(container)
        if container.name == "node_ports4" and not self.meddled:
            self.meddled = True
            subprocess.run(["nft", "flush map inet portway node_ports4"], check=True)
        return seen


def _put_right_while_meddled() -> tuple[bool, Held, Held, bool]:
    """Whether somebody meddled, what the kernel holds then, what it should, and whether repair is due."""
    program = Program(CONFIG, SERVICE_CIDRS)
    program.update(everything().contributions)
    KernelTable().adopt(program.ruleset)
    wanted = held()
    kernel = _Meddled()
    kernel.adopt(program.ruleset)
    return kernel.meddled, held(), wanted, kernel.touched()


def test_what_others_write_while_we_look_is_put_right_too(place: Namespace) -> None:
    meddled, holds, wanted, touched = place.run(_put_right_while_meddled)
    assert meddled
    assert holds == wanted
    assert not touched


def _adopt_everything() -> None:
    program = Program(CONFIG, SERVICE_CIDRS)
    program.update(everything().contributions)
    KernelTable().adopt(program.ruleset)


def _handles(place: Namespace, of: str) -> dict[str, list[int]]:
    """By which the kernel tells rules apart, of the chains whose names begin so."""
    listed = json.loads(place.command("nft", "-a", "-j", "list", "table", "inet", "portway"))["nftables"]
    rules = [item["rule"] for item in listed if "rule" in item and item["rule"]["chain"].startswith(of)]
    return {name: [r["handle"] for r in rules if r["chain"] == name] for name in {r["chain"] for r in rules}}


def test_a_restart_writes_no_behaviours_rule_that_is_there(place: Namespace) -> None:
    """Each would make the kernel walk a whole map."""
    place.run(_adopt_everything)
    before = _handles(place, "cluster-ip")
    assert {"cluster-ip4-3", "cluster-ip6-3", "cluster-ip-local4-2"} <= before.keys()
    place.run(_adopt_everything)
    assert _handles(place, "cluster-ip") == before
    place.command("nft", "insert rule inet portway cluster-ip4-3 drop")
    place.command("nft", "flush chain inet portway cluster-ip6-3")
    place.run(_adopt_everything)
    after = _handles(place, "cluster-ip")
    assert {name: len(rules) for name, rules in after.items()} == {name: len(rules) for name, rules in before.items()}
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {"cluster-ip4-3", "cluster-ip6-3"}


def _adopt_with_a_mistake() -> tuple[Held, dict[str, int]]:
    """What the kernel holds, and how many elements each container should."""
    program = Program(CONFIG, SERVICE_CIDRS)
    program.update({c.service: c for c in (web(n, backends(10, n)) for n in range(300))})
    ruleset = program.ruleset
    elements = {name: dict(some) for name, some in ruleset.elements.items()}
    nobody = bytes([10, 99, 0, 1]) + web_key(1)[4:]
    elements["frontends4"][nobody] = b"goto nowhere"
    elements["endpoints4"][nobody] = b"\x0a\x00"  # neither key nor value is as long as it should be
    KernelTable().adopt(Ruleset(ruleset.containers, ruleset.chains, elements))
    return held(), {name: len(some) for name, some in ruleset.elements.items()}


def test_one_bad_object_does_not_hold_up_a_first_sync(place: Namespace) -> None:
    kernel, wanted = place.run(_adopt_with_a_mistake)
    assert {name: len(some) for name, some in kernel.elements.items()} == wanted


class _Busy(NfTables):
    """A kernel that has no memory, or a hash table still growing, when it is asked for the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.refusals = 2

    def _send(self, batch: bytearray, containers: Mapping[str, Container]) -> None:
        if self.refusals:
            self.refusals -= 1
            element = Element("frontends4", web_key(1), b"goto cluster-ip4-3")
            raise Refused((Refusal("add", element, errno.EBUSY),), "not now")
        super()._send(batch, containers)


def _change_a_busy_kernel() -> Held:
    program, kernel = Program(CONFIG, SERVICE_CIDRS), KernelTable()
    kernel.adopt(program.ruleset)
    kernel._kernel = _Busy()
    kernel.apply(program.update(everything().contributions), program.ruleset.containers)
    return held()


def test_what_the_kernel_cannot_do_just_now_is_done_a_little_later(place: Namespace) -> None:
    program = Program(CONFIG, SERVICE_CIDRS)
    program.update(everything().contributions)
    assert place.run(_change_a_busy_kernel).elements == program.ruleset.elements


def _own_commits_are_counted() -> list[bool]:
    program, kernel = Program(CONFIG, SERVICE_CIDRS), KernelTable()
    kernel.adopt(program.ruleset)
    full = everything().contributions
    told = []
    for key in sorted(full):
        kernel.apply(program.update({key: full[key]}), program.ruleset.containers)
        told.append(kernel.touched())
    return told


def test_our_own_commits_are_not_taken_for_others(place: Namespace) -> None:
    assert place.run(_own_commits_are_counted) == [False] * len(everything().contributions)
