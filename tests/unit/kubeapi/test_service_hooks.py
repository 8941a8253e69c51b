"""The hooks of a Service in the pipeline's order: whatever well-typed document comes, they answer or refuse."""

import copy
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from portway.kubeapi import service
from portway.kubeapi.cluster import Cluster
from portway.kubeapi.errors import ApiError, Doc


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A value, or an explicit null."""
    return st.none() | strategy


WORDS = st.sampled_from(["", "None", "Local", "Cluster", "ClientIP", "TCP", "web", "10.96.0.9", "fd00:96::9", "x/y z"])
NUMBERS = st.sampled_from([-1, 0, 1, 80, 30000, 32767, 70000])
PORTS = st.fixed_dictionaries(
    {},
    optional={
        "name": maybe(WORDS),
        "protocol": maybe(st.sampled_from(["TCP", "UDP", "tcp"])),
        "port": maybe(NUMBERS),
        "targetPort": maybe(NUMBERS | WORDS),
        "nodePort": maybe(NUMBERS),
        "appProtocol": maybe(WORDS),
    },
)
LISTS = maybe(st.lists(WORDS, max_size=3))
FAMILIES = st.lists(st.sampled_from(["IPv4", "IPv6", "IPv5"]), max_size=3)
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "type": maybe(st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName", "odd"])),
        "ports": maybe(st.lists(PORTS, max_size=3)),
        "selector": maybe(st.dictionaries(WORDS, WORDS, max_size=2)),
        "clusterIP": maybe(WORDS),
        "clusterIPs": LISTS,
        "ipFamilies": maybe(FAMILIES),
        "ipFamilyPolicy": maybe(st.sampled_from(["SingleStack", "PreferDualStack", "RequireDualStack", "odd"])),
        "externalIPs": LISTS,
        "externalName": maybe(WORDS),
        "sessionAffinity": maybe(WORDS),
        "sessionAffinityConfig": maybe(st.sampled_from([{}, {"clientIP": None}, {"clientIP": {"timeoutSeconds": 0}}])),
        "externalTrafficPolicy": maybe(WORDS),
        "internalTrafficPolicy": maybe(WORDS),
        "trafficDistribution": maybe(WORDS),
        "healthCheckNodePort": maybe(NUMBERS),
        "allocateLoadBalancerNodePorts": maybe(st.booleans()),
        "loadBalancerClass": maybe(WORDS),
        "loadBalancerIP": maybe(WORDS),
        "loadBalancerSourceRanges": LISTS,
    },
)
PLAUSIBLE = st.fixed_dictionaries(
    {
        "ports": st.sampled_from(
            [
                [{"port": 80}],
                [{"name": "web", "port": 80, "targetPort": "http"}, {"name": "admin", "port": 81}],
                [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53}],
            ]
        )
    },
    optional={
        "type": st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]),
        "selector": st.just({"app": "web"}),
        "clusterIP": st.sampled_from(["None", "10.96.0.9", "fd00:96::9"]),
        "ipFamilyPolicy": st.sampled_from(["SingleStack", "PreferDualStack", "RequireDualStack"]),
        "externalName": st.just("db.example.com."),
        "externalIPs": st.just(["1.2.3.4"]),
        "sessionAffinity": st.just("ClientIP"),
        "externalTrafficPolicy": st.sampled_from(["Local", "Cluster"]),
        "internalTrafficPolicy": st.just("Local"),
        "trafficDistribution": st.just("PreferSameZone"),
    },
)
ANNOTATIONS = maybe(st.dictionaries(st.just("service.beta.kubernetes.io/load-balancer-source-ranges"), WORDS))


def named(spec: Doc | None, notes: dict[str, str] | None = None) -> Doc:
    return {"metadata": {"name": "web", "annotations": notes}, "spec": copy.deepcopy(spec)}


GOOD = st.builds(named, PLAUSIBLE)
ANY = st.builds(named, maybe(SPECS), ANNOTATIONS) | GOOD


def write(document: Doc, old: Doc | None, cluster: Cluster) -> bool:
    """Through the hooks; whether it was accepted."""
    service.default(document)
    try:
        if old is None:
            claims = service.begin_create(document, cluster, False)
            service.prepare_create(document)
        else:
            claims = service.begin_update(document, old, cluster, False)
            service.prepare_update(document, old)
    except ApiError as refusal:
        assert refusal.code in (422, 500)
        return False
    found = service.validate(document, old)
    claims.rollback() if found else claims.commit()
    return not found


@given(ANY, ANY)
def test_no_document_breaks_the_hooks(first: Doc, second: Doc) -> None:
    cluster = Cluster(pick=lambda n: n // 2)
    accepted = write(first, None, cluster)
    service.warnings(first, None)
    if accepted:
        service.on_read(first, cluster)
        old = copy.deepcopy(first)
        write(second, old, cluster)
        service.warnings(second, old)


@given(GOOD)
def test_an_accepted_service_can_be_written_back_unchanged(document: Doc) -> None:
    cluster = Cluster(pick=lambda n: n // 2)
    assume(write(document, None, cluster))
    service.on_read(document, cluster)
    again = copy.deepcopy(document)
    assert write(again, copy.deepcopy(document), cluster)
    service.on_read(again, cluster)
    assert again == document


@given(GOOD, GOOD)
def test_a_service_can_become_another_and_go_without_a_trace(first: Doc, second: Doc) -> None:
    cluster = Cluster(pick=lambda n: n // 2)
    assume(write(first, None, cluster))
    kept = second if write(second, copy.deepcopy(first), cluster) else first
    service.begin_delete(kept, cluster).commit()
    assert cluster.node_ports.held.numbers == set()
    assert [pool.held.numbers for pool in cluster.addresses.values()] == [set(), set()]
