"""Node ports and cluster IPs, request by request: what is shared, kept, exchanged, refused; and dry runs."""

import copy
from typing import Any

import pytest

from portway.kubeapi import service
from portway.kubeapi.cluster import Cluster
from portway.kubeapi.errors import ApiError, Doc

FIRST_DYNAMIC = 30086
TCP53, UDP53 = {"name": "tcp", "port": 53}, {"name": "udp", "port": 53, "protocol": "UDP"}


class Api:
    """The hooks over a cluster that always draws the first number of a band."""

    def __init__(self, **options: Any) -> None:
        self.cluster = Cluster(pick=lambda n: 0, **options)
        self.stored: dict[str, Doc] = {}

    def create(self, spec: Doc, name: str = "web", dry_run: bool = False) -> Doc:
        document: Doc = {"metadata": {"name": name}, "spec": copy.deepcopy(spec)}
        service.default(document)
        service.begin_create(document, self.cluster, dry_run).commit()
        if not dry_run:
            self.stored[name] = copy.deepcopy(document)
        return document

    def update(self, changes: Doc, name: str = "web", dry_run: bool = False) -> Doc:
        old = copy.deepcopy(self.stored[name])
        document = copy.deepcopy(old) | {"spec": copy.deepcopy(old["spec"] | changes)}
        service.default(document)
        claims = service.begin_update(document, old, self.cluster, dry_run)
        service.prepare_update(document, old)
        claims.commit()
        if not dry_run:
            self.stored[name] = copy.deepcopy(document)
        return document

    @property
    def ports(self) -> set[int]:
        return set(self.cluster.node_ports.held.numbers)


def node_ports(document: Doc) -> list[int]:
    return [port.get("nodePort", 0) for port in document["spec"]["ports"]]


def refusal(call: Any, *arguments: Any, **options: Any) -> tuple[int, str, str]:
    with pytest.raises(ApiError) as refused:
        call(*arguments, **options)
    return refused.value.code, refused.value.reason, refused.value.message


def np(*ports: Doc, **more: Any) -> Doc:
    return {"type": "NodePort", "ports": list(ports)} | more


CREATED: list[tuple[str, Doc, list[int]]] = [
    ("the first of the dynamic band", np({"port": 80}), [30086]),
    ("each its own", np({"name": "a", "port": 80}, {"name": "b", "port": 81}), [30086, 30087]),
    ("TCP and UDP of one port share", np(TCP53, UDP53), [30086, 30086]),
    ("also the one that a later entry names", np(TCP53, UDP53 | {"nodePort": 30053}), [30053, 30053]),
    ("both name the same", np(TCP53 | {"nodePort": 30053}, UDP53 | {"nodePort": 30053}), [30053, 30053]),
    ("both name others", np(TCP53 | {"nodePort": 30053}, UDP53 | {"nodePort": 30054}), [30053, 30054]),
    ("ClusterIP has none", {"ports": [{"port": 80}]}, [0]),
    (
        "a LoadBalancer need not have any",
        {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False, "ports": [{"port": 80}]},
        [0],
    ),
    (
        "but honours what is named",
        {
            "type": "LoadBalancer",
            "allocateLoadBalancerNodePorts": False,
            "ports": [TCP53, UDP53 | {"nodePort": 30053}],
        },
        [0, 30053],
    ),
]


@pytest.mark.parametrize(("what", "spec", "expected"), CREATED, ids=[row[0] for row in CREATED])
def test_node_ports_on_create(what: str, spec: Doc, expected: list[int]) -> None:
    api = Api()
    assert node_ports(api.create(spec)) == expected
    assert api.ports == set(expected) - {0}


TAKEN = "provided port is already allocated"
OUTSIDE = "provided port is not in the valid range. The range of valid ports is 30000-32767"
REFUSED: list[tuple[str, Doc, str]] = [
    ("out of range", np({"port": 80, "nodePort": 80}), f"spec.ports[0].nodePort: Invalid value: 80: {OUTSIDE}"),
    (
        "different ports of different protocols cannot share",
        np(TCP53 | {"nodePort": 30093}, {"name": "b", "port": 76, "protocol": "UDP", "nodePort": 30093}),
        f"spec.ports[1].nodePort: Invalid value: 30093: {TAKEN}",
    ),
    (
        "the same port twice",
        np({"port": 80, "nodePort": 30080}, {"name": "b", "port": 81, "nodePort": 30080}),
        f"spec.ports[1].nodePort: Invalid value: 30080: {TAKEN}",
    ),
    (
        "a second named port of the same number that somebody holds",
        np(TCP53 | {"nodePort": 30053}, UDP53 | {"nodePort": 31000}),
        f"spec.ports[1].nodePort: Invalid value: 31000: {TAKEN}",
    ),
]


@pytest.mark.parametrize(("what", "spec", "message"), REFUSED, ids=[row[0] for row in REFUSED])
def test_a_refused_create_takes_nothing(what: str, spec: Doc, message: str) -> None:
    api = Api()
    api.create(np({"port": 80, "nodePort": 31000}), name="other")
    before = api.ports
    assert refusal(api.create, spec) == (422, "Invalid", f'Service "web" is invalid: {message}')
    assert api.ports == before


def test_a_full_port_range_is_an_internal_error() -> None:
    api = Api(node_port_range=(30000, 30000))
    api.create(np({"port": 80}), name="other")
    message = "Internal error occurred: failed to allocate a nodePort: range is full"
    assert refusal(api.create, np({"port": 80})) == (500, "InternalError", message)


UPDATED: list[tuple[str, list[Doc], list[int], set[int]]] = [
    ("left out is kept by name", [{"name": "b", "port": 90}, {"name": "a", "port": 91}], [30087, 30086], set()),
    ("a new port gets a new one", [{"name": "c", "port": 80}], [30088], {30086, 30087}),
    ("named is exchanged", [{"name": "a", "port": 80, "nodePort": 30001}], [30001], {30086, 30087}),
    (
        "protocols may now share what is named",
        [
            {"name": "a", "port": 80, "nodePort": 30001},
            {"name": "u", "port": 53, "protocol": "UDP", "nodePort": 30001},
        ],
        [30001, 30001],
        {30086, 30087},
    ),
    (
        "unnamed ones do not share",
        [{"name": "x", "port": 53}, {"name": "y", "port": 53, "protocol": "UDP"}],
        [30088, 30089],
        {30086, 30087},
    ),
]


@pytest.mark.parametrize(("what", "ports", "expected", "released"), UPDATED, ids=[row[0] for row in UPDATED])
def test_node_ports_on_update(what: str, ports: list[Doc], expected: list[int], released: set[int]) -> None:
    api = Api()
    api.create(np({"name": "a", "port": 80}, {"name": "b", "port": 81}))
    assert node_ports(api.update({"ports": ports})) == expected
    assert api.ports == set(expected)
    assert not released & api.ports


def test_one_protocol_naming_a_node_port_twice_is_an_unknown_error_on_update() -> None:
    api = Api()
    api.create(np({"port": 80}))
    twice = [{"name": "a", "port": 80, "nodePort": 30001}, {"name": "b", "port": 81, "nodePort": 30001}]
    assert refusal(api.update, {"ports": twice}) == (500, "", "duplicate nodePort: {TCP 30001}")
    assert api.ports == {FIRST_DYNAMIC}


def test_a_load_balancer_that_stops_allocating_keeps_only_what_is_named() -> None:
    api = Api()
    api.create(
        {"type": "LoadBalancer", "ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81}]},
    )
    ports = [{"name": "a", "port": 80, "nodePort": 30086}, {"name": "b", "port": 81}]
    changed = api.update({"allocateLoadBalancerNodePorts": False, "ports": ports})
    assert node_ports(changed) == [30086, 0]
    assert api.ports == {30086}


LOCAL = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": [{"port": 80}]}


def test_a_health_check_port_comes_and_goes_with_the_local_policy() -> None:
    api = Api()
    assert api.create(LOCAL)["spec"]["healthCheckNodePort"] == 30087
    assert api.ports == {30086, 30087}
    changed = api.update({"externalTrafficPolicy": "Cluster"})
    assert "healthCheckNodePort" not in changed["spec"]
    assert api.ports == {30086}
    named = api.update({"externalTrafficPolicy": "Local", "healthCheckNodePort": 30001})
    assert named["spec"]["healthCheckNodePort"] == 30001
    assert api.ports == {30086, 30001}


def test_a_health_check_port_that_cannot_be_had_is_an_internal_error() -> None:
    api = Api()
    api.create(np({"port": 80, "nodePort": 30001}), name="other")
    message = f"Internal error occurred: failed to allocate requested HealthCheck NodePort 30001: {TAKEN}"
    assert refusal(api.create, LOCAL | {"healthCheckNodePort": 30001}) == (500, "InternalError", message)
    full = Api(node_port_range=(30000, 30000))
    message = "Internal error occurred: failed to allocate a HealthCheck NodePort 0: range is full"
    assert refusal(full.create, LOCAL) == (500, "InternalError", message)
    assert full.ports == set()


def test_an_external_name_service_frees_no_node_port_of_another() -> None:
    api = Api()
    api.create(np({"port": 80, "nodePort": 30001}), name="other")
    alias = api.create({"type": "ExternalName", "externalName": "a.b", "ports": [{"port": 80, "nodePort": 30001}]})
    service.begin_delete(alias, api.cluster).commit()
    assert api.ports == {30001}


def addresses(document: Doc) -> list[str]:
    found: list[str] = document["spec"].get("clusterIPs", [])
    return found


def test_an_upgrade_and_a_downgrade_move_only_the_second_address() -> None:
    api = Api()
    assert addresses(api.create({"ports": [{"port": 80}]})) == ["10.96.1.1"]
    assert addresses(api.update({"ipFamilyPolicy": "RequireDualStack"})) == ["10.96.1.1", "fd00:96::101"]
    assert addresses(api.update({"ipFamilyPolicy": "SingleStack"})) == ["10.96.1.1"]
    assert [len(pool.held.numbers) for pool in api.cluster.addresses.values()] == [1, 0]


def test_changing_to_external_name_and_back_exchanges_the_addresses() -> None:
    api = Api()
    api.create(np({"port": 80}, ipFamilyPolicy="PreferDualStack"))
    alias = api.update({"type": "ExternalName", "externalName": "example.com"})
    assert [alias["spec"].get(field) for field in ("clusterIP", "clusterIPs", "ipFamilies")] == [None] * 3
    assert node_ports(alias) == [0]
    assert [len(pool.held.numbers) for pool in api.cluster.addresses.values()] == [0, 0]
    assert api.ports == set()
    assert addresses(api.update({"type": "ClusterIP", "clusterIP": "10.96.0.7"})) == ["10.96.0.7"]


OVER = "failed to allocate IP {}: the provided network does not match the current range"
ADDRESS_REFUSALS: list[tuple[str, str]] = [
    ("10.96.0.5", "failed to allocate IP 10.96.0.5: provided IP is already allocated"),
    ("1.2.3.4", OVER.format("1.2.3.4")),
    ("10.96.0.0", OVER.format("10.96.0.0")),
    ("10.96.255.255", OVER.format("10.96.255.255")),
    ("fd00:96::", OVER.format("fd00:96::")),
]


@pytest.mark.parametrize(("address", "detail"), ADDRESS_REFUSALS)
def test_addresses_that_cannot_be_had(address: str, detail: str) -> None:
    api = Api()
    api.create({"clusterIP": "10.96.0.5", "ports": [{"port": 80}]}, name="other")
    message = f'Service "web" is invalid: spec.clusterIPs: Invalid value: ["{address}"]: {detail}'
    assert refusal(api.create, {"clusterIP": address, "ports": [{"port": 80}]}) == (422, "Invalid", message)


def test_what_was_taken_of_one_family_is_given_back_when_the_other_fails() -> None:
    api = Api()
    api.create({"clusterIP": "fd00:96::5", "ports": [{"port": 80}]}, name="other")
    pair = {"clusterIP": "10.96.0.5", "clusterIPs": ["10.96.0.5", "fd00:96::5"], "ipFamilyPolicy": "PreferDualStack"}
    code, _, message = refusal(api.create, pair | {"ports": [{"port": 80}]})
    assert (code, message.rpartition(": ")[2]) == (422, "provided IP is already allocated")
    assert api.cluster.addresses["IPv4"].held.numbers == set()


def test_dry_runs_show_stand_ins_and_take_nothing() -> None:
    api = Api()
    shown = api.create(LOCAL | {"ipFamilyPolicy": "PreferDualStack"}, dry_run=True)
    assert addresses(shown) == ["10.96.0.0", "fd00:96::"]
    assert node_ports(shown) == [32769]
    assert shown["spec"]["healthCheckNodePort"] == 32770
    assert api.create(np({"port": 80, "nodePort": 80}), dry_run=True)["spec"]["ports"][0]["nodePort"] == 80
    assert api.ports == set()
    assert [pool.held.numbers for pool in api.cluster.addresses.values()] == [set(), set()]


def test_dry_runs_refuse_a_held_port_and_an_address_out_of_range() -> None:
    api = Api()
    api.create(np({"port": 80, "nodePort": 30001}, clusterIP="10.96.0.5"), name="other")
    assert refusal(api.create, np({"port": 80, "nodePort": 30001}), dry_run=True)[0] == 422
    message = refusal(api.create, {"clusterIP": "1.2.3.4", "ports": [{"port": 80}]}, dry_run=True)[2]
    assert message.endswith(
        "failed to allocate IP 1.2.3.4: the provided IP (1.2.3.4) is not in the valid range. "
        "The range of valid IPs is 10.96.0.0/16"
    )
    assert addresses(api.create({"clusterIP": "10.96.0.5", "ports": [{"port": 80}]}, dry_run=True)) == ["10.96.0.5"]


def test_a_restarted_server_knows_what_is_held() -> None:
    api = Api()
    stored = api.create(LOCAL | {"ipFamilyPolicy": "PreferDualStack"})
    restarted = Api()
    restarted.cluster.observe(stored)
    assert restarted.ports == api.ports
    assert addresses(restarted.create({"ports": [{"port": 80}]}, name="other")) == ["10.96.1.2"]
    service.begin_delete(stored, restarted.cluster).commit()
    assert restarted.ports == set()
