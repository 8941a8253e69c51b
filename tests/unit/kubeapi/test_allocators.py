"""The allocators against Kubernetes' tables and against what must hold whatever happens."""

import ipaddress
import random
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.kubeapi import service
from portway.kubeapi.allocators import (
    Addresses,
    AddressRange,
    AllocationError,
    Band,
    Held,
    NodePorts,
    PortRange,
    RangeFull,
)
from portway.kubeapi.cluster import Cluster
from portway.kubeapi.errors import ApiError, Doc
from tests.shared import cases

ADDRESSES = cases("clusterip_alloc")
PORTS = cases("nodeport_alloc")
ALLOCATED = "provided IP is already allocated"


def of(table: list[Doc], *tests: str) -> list[Any]:
    chosen = [case for case in table if case["test"] in tests]
    return [pytest.param(case, id=case.get("name") or case.get("cidr") or case.get("range")) for case in chosen]


def error_of(act: Any, *arguments: Any) -> str | None:
    try:
        act(*arguments)
    except AllocationError as error:
        return str(error)
    return None


def canonical(cidr: str) -> str:
    return str(ipaddress.ip_network(cidr, strict=False))


def first(n: int) -> int:
    return 0


def is_allowed(cidr: str) -> bool:
    """Upstream's functions also answer for IPv6 prefixes that no ServiceCIDR can have."""
    network = ipaddress.ip_network(cidr, strict=False)
    return network.version == 4 or network.prefixlen >= 64


@pytest.mark.parametrize("case", of(ADDRESSES, "Test_calculateRangeOffset", "Test_hostsPerNetwork"))
def test_sizes(case: Doc) -> None:
    if not is_allowed(case["cidr"]):
        with pytest.raises(ValueError, match="shortest allowed prefix length for service CIDR is 64"):
            AddressRange(canonical(case["cidr"]))
        return
    item = AddressRange(canonical(case["cidr"]))
    size = item.static_size if case["test"] == "Test_calculateRangeOffset" else item.whole.size
    assert size == case["expect"]


@pytest.mark.parametrize("case", of(ADDRESSES, "facts"))
def test_address_facts(case: Doc) -> None:
    facts = case["ipAddressAllocator"]
    if "newError" in facts:
        with pytest.raises(ValueError, match=re.escape(facts["newError"])):
            AddressRange(case["cidr"])
        return
    item = AddressRange(case["cidr"])
    pool = Addresses([item], first, bare=True)
    assert item.static_size == facts["rangeOffset"]
    for address, errors in case["allocate"].items():
        got = error_of(pool.allocate, address)
        if errors["bitmap"] == ALLOCATED:  # the range's first and last address in one: upstream asked twice
            got = error_of(pool.allocate, address)
        assert got == errors["ipAddressAllocator"]
    if "dynamicBand" in facts:
        dynamic, static = item.bands
        assert [dynamic.first, dynamic.last] == [int(ipaddress.ip_address(text)) for text in facts["dynamicBand"]]
        assert bool(static.size) == bool(facts.get("nextAfterDynamicInStaticBand"))


@pytest.mark.parametrize("case", of(ADDRESSES, "TestAllocateIPAllocator"))
def test_all_addresses_of_a_range_can_be_had_once(case: Doc) -> None:
    pool = Addresses([AddressRange(case["cidr"])], random.Random(1).randrange)
    had = {pool.allocate_next() for _ in range(case["free"])}
    assert len(had) == case["free"]
    assert error_of(pool.allocate_next) == "range is full"
    assert error_of(pool.allocate, case["alreadyAllocatedWhenFull"]) == ALLOCATED
    for address in case["outOfRange"]:
        assert error_of(pool.allocate, address) == "the provided network does not match the current range"
    pool.release(case["alreadyAllocatedWhenFull"])
    assert pool.allocate_next() == case["alreadyAllocatedWhenFull"]


@pytest.mark.parametrize("case", of(PORTS, "Test_calculateRangeOffset"))
def test_static_band_of_ports(case: Doc) -> None:
    assert PortRange(case["base"], case["base"] + case["size"] - 1).static_size == case["expect"]


@pytest.mark.parametrize("case", of(PORTS, "facts"))
def test_port_facts(case: Doc) -> None:
    pool = NodePorts(PortRange(case["base"], case["base"] + case["size"] - 1), random.Random(1).randrange)
    assert pool.range.static_size == case["offset"]
    for outside in (case["aboveRange"], case["belowRange"]):
        assert error_of(pool.allocate, outside["port"]) == outside["error"]
    dynamic = Band(*case["dynamicBand"])
    pool.held.numbers.update(range(dynamic.first, dynamic.last - 50))  # one by one it would take a minute
    left = set(range(dynamic.first, dynamic.last + 1)) - pool.held.numbers
    assert {pool.allocate_next() for _ in left} == left
    assert error_of(pool.allocate, dynamic.first) == case["allocated"]
    for _ in range(case["size"] - dynamic.size):
        assert pool.allocate_next() not in dynamic
    assert error_of(pool.allocate_next) == case["fullError"]


def start_at(offset: int) -> Callable[[int], int]:
    return lambda n: offset


@pytest.mark.parametrize("case", of(ADDRESSES, "Test_ipIterator"))
def test_order_of_search(case: Doc) -> None:
    band = Band(int(ipaddress.ip_address(case["first"])), int(ipaddress.ip_address(case["last"])))
    held, order = Held(), []
    while (number := held.free_in(band, lambda n: case["offset"] % n)) is not None:
        held.take(number)
        order.append(str(ipaddress.ip_address(number)))
    assert order == case["expect"]


def test_the_search_goes_up_from_a_random_number_and_around() -> None:
    band = Band(10, 19)
    few, many = Held(), Held()
    few.numbers = {18, 19}
    many.numbers = {*range(10, 20)} - {12, 15}
    assert [few.free_in(band, start_at(offset)) for offset in (0, 7, 8, 9)] == [10, 17, 10, 10]
    assert [many.free_in(band, start_at(offset)) for offset in (0, 2, 3, 5, 6)] == [12, 12, 15, 15, 12]


@given(st.data())
def test_a_band_gives_each_number_once_and_then_none(data: st.DataObject) -> None:
    band = Band(100, 100 + data.draw(st.integers(-1, 20)))
    held = Held()
    drawn = []
    while True:
        number = held.free_in(band, lambda n: data.draw(st.integers(0, n - 1)))
        if number is None:
            break
        held.take(number)
        drawn.append(number)
    assert sorted(drawn) == list(range(band.first, band.last + 1))


TINY = ("10.0.0.0/29", "fd00::/125")
PORT_CHOICES = st.sampled_from([0, 0, 30000, 30001, 30002, 31000])
SERVICES = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer"]),
        "ports": st.lists(
            st.fixed_dictionaries({"port": st.sampled_from([53, 80]), "nodePort": PORT_CHOICES}), min_size=1, max_size=3
        ),
    },
    optional={
        "clusterIP": st.sampled_from(["None", "10.0.0.1", "10.0.0.2", "10.9.9.9", "fd00::1"]),
        "ipFamilyPolicy": st.sampled_from(["SingleStack", "PreferDualStack", "RequireDualStack"]),
        "externalTrafficPolicy": st.sampled_from(["Cluster", "Local"]),
        "healthCheckNodePort": st.sampled_from([0, 30003]),
        "allocateLoadBalancerNodePorts": st.booleans(),
    },
)


class Model:
    """A cluster and the documents it has stored."""

    def __init__(self) -> None:
        self.cluster = Cluster(TINY, (30000, 30005), pick=random.Random(7).randrange)
        self.stored: dict[str, Doc] = {}

    def held(self) -> tuple[Any, ...]:
        return (
            *(frozenset(pool.held.numbers) for pool in self.cluster.addresses.values()),
            frozenset(self.cluster.node_ports.held.numbers),
        )

    def derived(self) -> tuple[Any, ...]:
        """What a new API server would make of the stored documents."""
        fresh = Model()
        for document in self.stored.values():
            fresh.cluster.observe(document)
        return fresh.held()

    def write(self, name: str, spec: Doc, fails: bool, dry_run: bool) -> None:
        document: Doc = {"metadata": {"name": name}, "spec": spec}
        service.default(document)
        before = self.held()
        old = self.stored.get(name)
        try:
            if old is None:
                claims = service.begin_create(document, self.cluster, dry_run)
            else:
                claims = service.begin_update(document, old, self.cluster, dry_run)
                service.prepare_update(document, old)
        except ApiError:
            assert self.held() == before
            return
        if fails or service.validate(document, old):
            claims.rollback()
            assert self.held() == before
            return
        claims.commit()
        if dry_run:
            assert self.held() == before
        else:
            self.stored[name] = document


def spec_addresses(document: Doc) -> list[str]:
    return [address for address in document["spec"].get("clusterIPs", []) if address != "None"]


STEPS = st.lists(st.tuples(st.sampled_from("abcd"), st.none() | SERVICES, st.booleans(), st.booleans()), max_size=12)


@given(STEPS)
def test_what_is_held_is_what_is_stored(steps: list[tuple[str, Doc | None, bool, bool]]) -> None:
    model = Model()
    for name, spec, fails, dry_run in steps:
        if spec is not None:
            model.write(name, spec, fails, dry_run)
        elif name in model.stored:
            service.begin_delete(model.stored.pop(name), model.cluster).commit()
        addresses = [address for document in model.stored.values() for address in spec_addresses(document)]
        assert len(addresses) == len(set(addresses))
        assert model.held() == model.derived()


@given(st.lists(SERVICES, max_size=5), st.data())
def test_requests_under_way_at_once_never_share(specs: list[Doc], data: st.DataObject) -> None:
    model, begun = Model(), []
    for i, spec in enumerate(specs):
        document: Doc = {"metadata": {"name": f"s{i}"}, "spec": spec}
        service.default(document)
        try:
            begun.append((document, service.begin_create(document, model.cluster, False)))
        except ApiError:
            continue
    addresses = [address for document, _ in begun for address in spec_addresses(document)]
    assert len(addresses) == len(set(addresses))
    for document, claims in data.draw(st.permutations(begun)):
        if data.draw(st.booleans()):
            claims.commit()
            model.stored[document["metadata"]["name"]] = document
        else:
            claims.rollback()
    assert model.held() == model.derived()


def test_a_full_range_is_an_internal_error() -> None:
    model = Model()
    for name in "abcdef":
        model.write(name, {"ports": [{"port": 80}]}, fails=False, dry_run=False)
    with pytest.raises(ApiError) as refused:
        document: Doc = {"metadata": {"name": "g"}, "spec": {"ports": [{"port": 80}], "type": "ClusterIP"}}
        service.begin_create(document, model.cluster, False)
    message = 'Internal error occurred: failed to allocate a serviceIP for Service "g": range is full'
    assert (refused.value.code, refused.value.message) == (500, message)
    with pytest.raises(RangeFull):
        model.cluster.request().next_address("IPv4")


def test_an_explicit_address_of_no_service_cidr() -> None:
    document: Doc = {"metadata": {"name": "web"}, "spec": {"clusterIP": "1.2.3.4", "ports": [{"port": 80}]}}
    service.default(document)
    with pytest.raises(ApiError) as refused:
        service.begin_create(document, Model().cluster, False)
    assert refused.value.message == (
        'Service "web" is invalid: spec.clusterIPs: Invalid value: ["1.2.3.4"]: '
        "failed to allocate IP 1.2.3.4: the provided network does not match the current range"
    )


MALFORMED: list[tuple[Any, Any, str]] = [
    ((), (30000, 32767), "service CIDRs: at least one is required, e.g. 10.96.0.0/16"),
    (("10.96.0.1/16",), (30000, 32767), "must not have bits set beyond the prefix length"),
    (("ten/8",), (30000, 32767), 'service CIDR: Invalid value: "ten/8": must be a valid CIDR value'),
    (("10.96.0.0/16",), (32767, 30000), "node port range 32767-30000: must be FIRST-LAST within 1-65535"),
    (("10.96.0.0/16",), (0, 30000), "node port range 0-30000: must be FIRST-LAST within 1-65535"),
]


@pytest.mark.parametrize(("cidrs", "ports", "message"), MALFORMED)
def test_malformed_settings_say_what_would_be_right(cidrs: Any, ports: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Cluster(cidrs, ports, pick=first)


def test_several_cidrs_of_a_family_are_used_one_after_the_other() -> None:
    cluster = Cluster(("10.0.0.0/30", "10.1.0.0/30"), pick=first)
    assert cluster.families == ("IPv4",)
    request = cluster.request()
    assert [request.next_address("IPv4") for _ in range(4)] == ["10.0.0.1", "10.0.0.2", "10.1.0.1", "10.1.0.2"]
    request.rollback()
    request.take_address("10.1.0.2")
    assert cluster.addresses["IPv4"].held.numbers == {int(ipaddress.ip_address("10.1.0.2"))}
