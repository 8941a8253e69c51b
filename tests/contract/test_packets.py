"""Real packets through the kernel's rules: who answers, whom it sees, and refused or silent."""

from collections import Counter
from collections.abc import Iterator

import pytest

from portway.agent.table import KernelTable
from portway.nftables import Ruleset, compile
from portway.testing.netns import Unavailable
from tests.chance import is_unlikely
from tests.contract.cluster import Cluster, cluster, pod_address
from tests.contract.services import service, table

FAMILIES = ("IPv4", "IPv6")
PROTOCOLS = ("TCP", "UDP")


def load(ruleset: Ruleset) -> None:
    """Make the table of the namespace that this runs in what it should be."""
    kernel = KernelTable()
    kernel.adopt(ruleset)
    kernel.close()


@pytest.fixture(scope="module", params=[None, True], ids=["as we are", "user namespace"])
def place(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The cluster with rules on node-1."""
    try:
        with cluster(request.param) as made:
            made.places["node-1"].run(load, compile(SERVICES))
            yield made
    except Unavailable as reason:
        pytest.skip(f"no network namespaces here: {reason}")


SERVICES = table(
    (service("web", 10), "abc"),
    (service("near", 11), "a"),
    (service("far", 12), "c"),
    (service("none", 13), ""),
    (service("inner", 14, internal_traffic_policy="Local"), "abc"),
    (service("inner-far", 15, internal_traffic_policy="Local"), "c"),
    (service("outer", 16, external_traffic_policy="Local"), "abc"),
    (service("outer-far", 17, external_traffic_policy="Local"), "c"),
)

NODE = {"IPv4": "172.18.0.11", "IPv6": "fd00:18::11"}
CLIENT = {"IPv4": "172.18.0.1", "IPv6": "fd00:18::1"}


def cluster_ip(number: int, family: str) -> str:
    """The clusterIP of the Service with this number."""
    return f"10.96.0.{number}" if family == "IPv4" else f"fd00:96::{number}"


def frontends(number: int, family: str) -> dict[str, tuple[str, int]]:
    """Where clients dial that Service."""
    return {"clusterIP": (cluster_ip(number, family), 80), "nodePort": (NODE[family], 30000 + number)}


ROWS = [
    # client, Service, frontend, pods that may answer, whom they see ("node", "client") or the failure
    ("outside", 10, "nodePort", "abc", "node"),
    ("outside", 10, "clusterIP", "abc", "node"),
    ("node-1", 10, "clusterIP", "abc", "node"),
    ("node-1", 10, "nodePort", "abc", "node"),
    ("b", 11, "clusterIP", "a", "client"),
    ("b", 11, "nodePort", "a", "node"),
    ("b", 12, "clusterIP", "c", "client"),
    ("a", 11, "clusterIP", "a", "node"),  # a pod that is sent to itself
    ("outside", 13, "clusterIP", "", "refused"),
    ("outside", 13, "nodePort", "", "refused"),
    ("a", 13, "clusterIP", "", "refused"),
    ("node-1", 13, "clusterIP", "", "refused"),
    ("node-1", 13, "nodePort", "", "refused"),
    ("b", 14, "clusterIP", "ab", None),
    ("b", 15, "clusterIP", "", "silent"),
    ("node-1", 15, "clusterIP", "", "silent"),
    ("outside", 16, "nodePort", "ab", "client"),
    ("outside", 17, "nodePort", "", "silent"),
    ("b", 17, "nodePort", "c", "client"),
    ("node-1", 17, "nodePort", "c", "node"),
    ("outside", 17, "clusterIP", "c", "node"),
]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("client", "number", "frontend", "pods", "sees"), ROWS)
def test_who_answers_and_whom_it_sees(
    place: Cluster, family: str, protocol: str, client: str, number: int, frontend: str, pods: str, sees: str | None
) -> None:
    address, port = frontends(number, family)[frontend]
    times = 1 if sees == "silent" else 4
    answers = place.ask(client, address, port, protocol, times)
    if not pods:
        assert answers == {failure(sees or "", client, frontend, protocol): times}
        return
    answered = {answer.partition(" sees ")[0] for answer in answers}
    assert answered <= set(pods), answers
    if sees:
        seen = {answer.partition(" sees ")[2] for answer in answers}
        assert seen == {own_address(client, family) if sees == "client" else NODE[family]}, answers


def failure(outcome: str, client: str, frontend: str, protocol: str) -> str:
    """How a client notices: a process of the node's own whose packet is kept back on its way out learns it at once."""
    kept_back = client == "node-1" and frontend == "clusterIP" and protocol == "UDP"
    return "not permitted" if kept_back else outcome


def own_address(client: str, family: str) -> str:
    """The address that a client's packets carry."""
    return CLIENT[family] if client == "outside" else pod_address(client, family)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_port_that_the_service_does_not_have_is_refused(place: Cluster, family: str, protocol: str) -> None:
    for client in ("outside", "a", "node-1"):
        assert place.ask(client, cluster_ip(10, family), 81, protocol) == {
            failure("refused", client, "clusterIP", protocol): 1
        }


@pytest.mark.parametrize("family", FAMILIES)
def test_an_address_that_no_service_has_is_silent(place: Cluster, family: str) -> None:
    for client in ("outside", "node-1"):
        assert place.ask(client, cluster_ip(99, family), 80) == {"silent": 1}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_node_port_answers_only_on_addresses_that_accept_it(place: Cluster, family: str) -> None:
    other = {"IPv4": "172.18.0.12", "IPv6": "fd00:18::12"}[family]
    assert place.ask("outside", other, 30010) == {"refused": 1}
    loopback = {"IPv4": "127.0.0.1", "IPv6": "::1"}[family]
    assert place.ask("node-1", loopback, 30010) == {"refused": 1}


@pytest.mark.parametrize(("family", "protocol"), [("IPv4", "TCP"), ("IPv6", "UDP")])
def test_three_backends_get_their_thirds(place: Cluster, family: str, protocol: str) -> None:
    address, port = frontends(10, family)["nodePort"]
    answers = place.ask("outside", address, port, protocol, 3000)
    by_pod: Counter[str] = Counter()
    for answer, count in answers.items():
        by_pod[answer.partition(" ")[0]] += count
    assert set(by_pod) == set("abc"), answers
    assert not [pod for pod, count in by_pod.items() if is_unlikely(count, 3000, 1 / 3)], by_pod
