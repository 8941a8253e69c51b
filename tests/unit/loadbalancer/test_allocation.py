"""Which addresses a Service is given, and in which words it is refused."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from portway.loadbalancer import Allocation, Held, Refusal, allocate
from portway.model import LabelSelector, Requirement
from portway.model.loadbalancer import (
    AddressPool,
    BalancedService,
    ServiceAllocation,
    SharingTerms,
    parse_range,
)

LABELS = {"shop": {"team": "red"}, "bank": {"team": "blue"}}
SIX = ("IPv6",)
BOTH = ("IPv4", "IPv6")
RED = (LabelSelector((Requirement("team", "=", ("red",)),)),)


def pool(name: str = "first", *ranges: str, **fields: Any) -> AddressPool:
    return AddressPool(name, tuple(map(parse_range, ranges or ("10.0.0.1-10.0.0.4",))), **fields)


def service(name: str = "web", namespace: str = "shop", **fields: Any) -> BalancedService:
    ports = frozenset(fields.pop("ports", ("TCP/80",)))
    if key := fields.pop("share", ""):
        fields["sharing"] = SharingTerms(key, fields.pop("backend", ""), ports)
    fields.setdefault("born", f"2026 {name}")
    return BalancedService(namespace, name, ports=ports, **fields)


def holding(*services: BalancedService) -> Held:
    held = Held()
    for each in services:
        held.put(each)
    return held


def ask(asking: BalancedService, *pools: AddressPool, held: Held | None = None) -> Allocation | Refusal:
    return allocate(asking, pools, held or Held(), LABELS)


def given_to(asking: BalancedService, *pools: AddressPool, held: Held | None = None) -> str:
    """`pool: addresses`, or the refusal's code."""
    answer = ask(asking, *pools, held=held)
    return answer.code if isinstance(answer, Refusal) else f"{answer.pool}: {' '.join(answer.addresses)}"


DUAL = pool("dual", "10.0.0.1-10.0.0.2", "fd00::1-fd00::2")
FOUR, SIXES = pool("four", "10.1.0.0/30"), pool("six", "fd00:1::/126")
SHARED = service("other", share="k", ports=("TCP/443",), addresses=("10.0.0.1",))

GIVEN: list[tuple[str, BalancedService, list[AddressPool], list[BalancedService], str]] = [
    ("the first free address", service(), [pool()], [service("a", addresses=("10.0.0.1",))], "first: 10.0.0.2"),
    ("a range of one", service(), [pool("p", "10.0.0.7/32")], [], "p: 10.0.0.7"),
    ("IPv6", service(families=SIX), [FOUR, SIXES], [], "six: fd00:1::"),
    ("by name among equals", service(), [pool("b"), pool("a", "10.2.0.0/24")], [], "a: 10.2.0.0"),
    ("the next pool when one is full", service(), [pool("a", "10.2.0.1/32"), pool("b")],
     [service("x", addresses=("10.2.0.1",))], "b: 10.0.0.1"),
    ("buggy addresses avoided", service(), [pool("p", "10.0.0.255-10.0.1.5", avoid_buggy_ips=True)], [], "p: 10.0.1.1"),
    ("buggy addresses taken otherwise", service(), [pool("p", "10.0.0.255-10.0.1.5")], [], "p: 10.0.0.255"),
    ("no autoAssign, but asked for by pool", service(requested_pool="p"), [pool("p", auto_assign=False)], [],
     "p: 10.0.0.1"),
    ("no autoAssign, but asked for by address", service(requested=("10.0.0.3",)), [pool("p", auto_assign=False)], [],
     "p: 10.0.0.3"),
    ("no autoAssign: another pool", service(), [pool("a", auto_assign=False), pool("b", "10.2.0.0/24")], [],
     "b: 10.2.0.0"),
    ("a pool of its own first", service(), [pool("a"), pool("z", "10.2.0.0/24", allocation=ServiceAllocation(
        namespaces=("shop",)))], [], "z: 10.2.0.0"),
    ("lower priority first", service(), [
        pool("a", allocation=ServiceAllocation(20)), pool("b", "10.2.0.0/24", allocation=ServiceAllocation(10)),
     ], [], "b: 10.2.0.0"),
    ("no priority is the last of its kind", service(), [
        pool("a", allocation=ServiceAllocation()), pool("b", "10.2.0.0/24", allocation=ServiceAllocation(900)),
     ], [], "b: 10.2.0.0"),
    ("by the namespace's labels", service(), [pool("a", allocation=ServiceAllocation(namespace_selectors=RED))], [],
     "a: 10.0.0.1"),
    ("by the Service's labels", service(labels={"team": "red"}),
     [pool("a", allocation=ServiceAllocation(service_selectors=RED))], [], "a: 10.0.0.1"),
    ("the fleet's own pool last", service(), [pool("a", fallback=True), pool("z", "10.2.0.0/24")], [], "z: 10.2.0.0"),
    ("both families from one pool", service(families=BOTH, family_policy="RequireDualStack"), [FOUR, SIXES, DUAL], [],
     "dual: 10.0.0.1 fd00::1"),
    ("in the order of its families", service(families=("IPv6", "IPv4"), family_policy="RequireDualStack"), [DUAL], [],
     "dual: fd00::1 10.0.0.1"),
    ("prefers both: a pool that has both", service(families=BOTH, family_policy="PreferDualStack"), [DUAL, FOUR], [],
     "dual: 10.0.0.1 fd00::1"),
    ("prefers both, there is one", service(families=BOTH, family_policy="PreferDualStack"), [FOUR], [],
     "four: 10.1.0.0"),
    ("prefers both, the second came later",
     service(families=BOTH, family_policy="PreferDualStack", addresses=("10.0.0.2",)), [DUAL], [],
     "dual: 10.0.0.2 fd00::1"),
    ("shares on another port", service(share="k"), [pool()], [SHARED], "first: 10.0.0.1"),
    ("shares with Local and the same selector", service(share="k", backend="app=a"), [pool()],
     [service("other", share="k", backend="app=a", ports=("TCP/443",), addresses=("10.0.0.1",))], "first: 10.0.0.1"),
    ("UDP and TCP on one number", service(share="k", ports=("UDP/443",)), [pool()], [SHARED], "first: 10.0.0.1"),
    ("another key: another address", service(share="l"), [pool()], [SHARED], "first: 10.0.0.2"),
    ("the same port: another address", service(share="k", ports=("TCP/443",)), [pool()], [SHARED], "first: 10.0.0.2"),
    ("no key: another address", service(), [pool()], [SHARED], "first: 10.0.0.2"),
    ("keeps what it has", service(addresses=("10.0.0.4",)), [pool()], [], "first: 10.0.0.4"),
    ("keeps it when its pool becomes another's", service(addresses=("10.0.0.4",)),
     [pool(allocation=ServiceAllocation(namespaces=("bank",)))], [], "first: 10.0.0.4"),
    ("its pool is gone: another address", service(addresses=("10.9.9.9",)), [pool()], [], "first: 10.0.0.1"),
    ("asks for another address", service(addresses=("10.0.0.4",), requested=("10.0.0.2",)), [pool()], [],
     "first: 10.0.0.2"),
    ("asks for another pool", service(addresses=("10.0.0.4",), requested_pool="b"), [pool(), pool("b", "10.2.0.0/24")],
     [], "b: 10.2.0.0"),
    ("drops the family that it no longer has", service(addresses=("10.0.0.2", "fd00::2")), [DUAL], [],
     "dual: 10.0.0.2"),
    ("needs the second family now",
     service(addresses=("10.1.0.1",), families=BOTH, family_policy="RequireDualStack"), [FOUR, DUAL], [],
     "dual: 10.0.0.1 fd00::1"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("asking", "pools", "others", "expected"), [row[1:] for row in GIVEN], ids=[r[0] for r in GIVEN]
)
def test_given(asking: BalancedService, pools: list[AddressPool], others: list[BalancedService], expected: str) -> None:
    assert given_to(asking, *pools, held=holding(*others)) == expected


REFUSED: list[tuple[BalancedService, list[AddressPool], list[BalancedService], str, str]] = [
    (service(), [], [], "LB_NO_POOL", "there is no IPAddressPool"),
    (service(load_balancer_class="example.com/lb"), [pool()], [], "LB_CLASS_FOREIGN", "portway.dev/load-balancer"),
    (service(request_fault="it is not an address"), [pool()], [], "LB_REQUEST_INVALID", "it is not an address"),
    (service(requested=("10.9.0.1",)), [pool()], [], "LB_ADDRESS_OUTSIDE_POOLS", "first (10.0.0.1-10.0.0.4)"),
    (service(requested=("10.0.0.1",), requested_pool="b"), [pool(), pool("b", "10.2.0.0/24")], [],
     "LB_ADDRESS_OUTSIDE_POOLS", "metallb.io/address-pool asks for another"),
    (service(requested=("10.0.0.0",)), [pool("p", "10.0.0.0/24", avoid_buggy_ips=True)], [],
     "LB_ADDRESS_OUTSIDE_POOLS", "10.0.0.0"),
    (service(requested=("10.0.0.1",)), [pool()], [service("a", addresses=("10.0.0.1",))], "LB_ADDRESS_TAKEN",
     'Service "shop/a", which does not share it'),
    (service(requested=("10.0.0.1",)), [pool()], [SHARED], "LB_ADDRESS_TAKEN", "has no annotation"),
    (service(requested=("10.0.0.1",), share="l"), [pool()], [SHARED], "LB_ADDRESS_TAKEN",
     'whose sharing key is "k" and not "l"'),
    (service(requested=("10.0.0.1",), share="k", ports=("TCP/443",)), [pool()], [SHARED], "LB_ADDRESS_TAKEN",
     "which has port TCP/443 there already"),
    (service(requested=("10.0.0.1",), share="k", backend="app=a"), [pool()], [SHARED], "LB_ADDRESS_TAKEN",
     "externalTrafficPolicy Cluster on both"),
    (service(requested=("fd00::1",)), [DUAL], [], "LB_REQUEST_FAMILY", "its IP families are IPv4"),
    (service(requested=("10.0.0.1",), families=BOTH, family_policy="RequireDualStack"), [DUAL], [],
     "LB_REQUEST_FAMILY", "ask for one of each"),
    (service(requested_pool="nope"), [pool()], [], "LB_POOL_UNKNOWN", 'no IPAddressPool "nope"; there are first'),
    (service(), [pool(auto_assign=False)], [], "LB_NO_POOL_FOR_SERVICE", "autoAssign is false"),
    (service(), [pool(allocation=ServiceAllocation(namespaces=("bank",)))], [], "LB_NO_POOL_FOR_SERVICE",
     "serviceAllocation names other"),
    (service(requested=("10.0.0.1",)), [pool(allocation=ServiceAllocation(namespaces=("bank",)))], [],
     "LB_NO_POOL_FOR_SERVICE", "first is not for this Service"),
    (service(requested_pool="first"), [pool(allocation=ServiceAllocation(service_selectors=RED))], [],
     "LB_NO_POOL_FOR_SERVICE", "first is not for this Service"),
    (service(), [pool("p", "10.0.0.1/32")], [service("a", addresses=("10.0.0.1",))], "LB_POOL_EXHAUSTED", "p has 1"),
    (service(families=SIX), [pool()], [], "LB_NO_FAMILY", "has no IPv6 range"),
    (service(families=BOTH, family_policy="RequireDualStack"), [FOUR, SIXES], [], "LB_POOL_EXHAUSTED",
     "in one pool is free: four has no free IPv6 address; six has no free IPv4 address"),
    (service(families=BOTH, family_policy="RequireDualStack"), [pool("p", "10.0.0.1/31", "fd00::1/128")],
     [service("a", addresses=("fd00::1",))], "LB_POOL_EXHAUSTED", "p has no free IPv6 address"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("asking", "pools", "others", "code", "words"), REFUSED, ids=[r[3] + r[4][:12] for r in REFUSED]
)
def test_refused(
    asking: BalancedService, pools: list[AddressPool], others: list[BalancedService], code: str, words: str
) -> None:
    answer = ask(asking, *pools, held=holding(*others))
    assert isinstance(answer, Refusal)
    assert answer.code == code
    assert words in answer.message


def test_who_changes_its_terms_asks_anew_and_the_other_keeps_the_address() -> None:
    """An older sharer that takes the younger's port loses, not the younger."""
    older = service("a", share="k", ports=("TCP/80",), addresses=("10.0.0.1",), granted="k||TCP/80")
    younger = service("b", share="k", ports=("TCP/443",), addresses=("10.0.0.1",), granted="k||TCP/443")
    changed = service("a", share="k", ports=("TCP/443",), addresses=("10.0.0.1",), granted="k||TCP/80")
    held = holding(changed, younger)
    assert given_to(changed, pool(), held=held) == "first: 10.0.0.2"
    assert given_to(younger, pool(), held=held) == "first: 10.0.0.1"
    assert given_to(older, pool(), held=holding(older, younger)) == "first: 10.0.0.1"


def test_a_hand_that_writes_anothers_address_into_a_status_takes_nothing() -> None:
    older = service("a", addresses=("10.0.0.1",), born="1")
    thief = service("b", addresses=("10.0.0.1",), born="2")
    held = holding(older, thief)
    assert given_to(older, pool(), held=held) == "first: 10.0.0.1"
    assert given_to(thief, pool(), held=held) == "first: 10.0.0.2"


NAMES = st.sampled_from("abcdef")
POOLS = [pool("one", "10.0.0.1-10.0.0.3"), pool("two", "10.0.1.1/32", "fd00::1-fd00::2")]
ASKING = st.builds(
    lambda name, key, port, requested, families: service(
        name,
        share=key,
        ports=(f"TCP/{port}",),
        requested=requested,
        families=families,
        family_policy="RequireDualStack" if len(families) == 2 else "SingleStack",
    ),
    NAMES,
    st.sampled_from(("", "k", "l")),
    st.sampled_from((80, 443)),
    st.sampled_from(((), (), ("10.0.0.1",), ("10.0.1.1",), ("10.9.9.9",))),
    st.sampled_from((("IPv4",), ("IPv4",), SIX, BOTH)),
)


@settings(max_examples=300)
@given(st.lists(st.one_of(ASKING, NAMES), max_size=30))
def test_no_address_has_two_owners_and_nobody_loses_one(steps: list[BalancedService | str]) -> None:
    """Services come, change and go; whoever did not change keeps what it had, also when all are asked again."""
    stored: dict[str, BalancedService] = {}
    for step in steps:
        if isinstance(step, str):
            stored.pop(step, None)
            continue
        before = stored.get(step.name)
        if before:
            step = replace(step, addresses=before.addresses, granted=before.granted)
        stored[step.name] = step
        stored[step.name] = _settled(step, holding(*stored.values()))
        for name, each in stored.items():
            if each.addresses:
                assert _settled(each, holding(*stored.values())) == each, f"{name} lost what it had"
        _exclusive(list(stored.values()))


def _settled(asking: BalancedService, held: Held) -> BalancedService:
    """The Service as the controller leaves it."""
    answer = allocate(asking, POOLS, held, LABELS)
    if isinstance(answer, Refusal):
        # One that waits may be given an address by what happens later: not a loss.
        return asking if not asking.addresses else replace(asking, addresses=(), granted="")
    return replace(asking, addresses=answer.addresses, granted=str(asking.sharing or ""))


def _exclusive(services: list[BalancedService]) -> None:
    for i, one in enumerate(services):
        for other in services[i + 1 :]:
            if set(one.addresses) & set(other.addresses):
                assert one.sharing and other.sharing and one.sharing.key == other.sharing.key
                assert not one.ports & other.ports
