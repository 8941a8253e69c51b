"""Every Kind that is served, and how it is found."""

from collections import Counter

import pytest

from portway.kubeapi import catalogue, discovery
from portway.kubeapi.catalogue import KINDS, by_kind, by_name, by_resource
from portway.kubeapi.errors import Doc
from portway.kubeapi.kinds import Kind

ACTIVE = {
    *("Namespace", "Node", "Pod", "Service", "Endpoints", "EndpointSlice", "Event", "ConfigMap", "Secret"),
    *("ServiceAccount", "Deployment", "ReplicaSet", "ReplicationController", "Lease", "NetworkPolicy"),
    *(
        "ClusterNetworkPolicy",
        "IPAddressPool",
        "L2Advertisement",
        "BGPAdvertisement",
        "BGPPeer",
        "ServiceL2Status",
        "ServiceBGPStatus",
    ),
    *("GatewayClass", "Gateway", "HTTPRoute", "GRPCRoute", "TCPRoute", "UDPRoute", "TLSRoute", "ReferenceGrant"),
    *("ListenerSet", "BackendTLSPolicy"),
    *("Ingress", "IngressClass", "IPAddress", "ServiceCIDR", "StatefulSet", "DaemonSet", "Job"),
    "ControllerRevision",
}


VIRTUAL = {"Binding", "SelfSubjectReview", "SelfSubjectAccessReview"}


def test_only_the_active_kinds_are_not_inert() -> None:
    assert {kind.kind for kind in KINDS if not kind.inert} == ACTIVE | VIRTUAL


def test_no_two_kinds_share_a_place_or_a_name() -> None:
    assert len({(k.group, k.version, k.plural) for k in KINDS}) == len(KINDS)
    assert len({(k.api_version, k.kind) for k in KINDS}) == len(KINDS)
    twice = Counter(name for k in KINDS for name in {k.plural, k.singular, *k.short_names})
    assert {name for name, count in twice.items() if count > 1} == {"events", "event", "ev"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.group}/{kind.kind}")
def test_is_found_by_all_its_names(kind: Kind) -> None:
    assert by_resource(kind.group, kind.version, kind.plural) is kind
    assert by_kind(kind.api_version, kind.kind) is kind
    names = {kind.plural, kind.singular, kind.kind, *kind.short_names}
    if kind.group:
        assert all(by_name(f"{name}.{kind.version}.{kind.group}") is kind for name in names)
    if kind.group != "events.k8s.io":
        assert all(by_name(name) is kind for name in names)
    for hook in catalogue.HOOKS:
        value = getattr(kind, hook)
        assert callable(value) or hook == "fields" or (hook == "name_rule" and value is None), hook
    assert all(callable(value) for value in kind.fields.values())


@pytest.mark.parametrize(
    ("text", "api_version", "kind"),
    [
        ("svc", "v1", "Service"),
        ("Services", "v1", "Service"),
        ("endpoints", "v1", "Endpoints"),
        ("ev", "v1", "Event"),
        ("events.events.k8s.io", "events.k8s.io/v1", "Event"),
        ("deployments.apps", "apps/v1", "Deployment"),
        ("deploy.v1.apps", "apps/v1", "Deployment"),
        ("ing", "networking.k8s.io/v1", "Ingress"),
        ("hpa", "autoscaling/v2", "HorizontalPodAutoscaler"),
        ("cnp", "policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy"),
    ],
)
def test_by_name(text: str, api_version: str, kind: str) -> None:
    found = by_name(text)
    assert found
    assert (found.api_version, found.kind) == (api_version, kind)


@pytest.mark.parametrize("text", ["", "nothing", "deployments.v2.apps", "services.apps", ".apps"])
def test_by_name_knows_what_it_does_not_know(text: str) -> None:
    assert by_name(text) is None


def test_services_have_hooks_status_and_no_generation() -> None:
    service = by_name("svc")
    assert service
    assert service.status
    assert not service.generation
    assert not service.scale
    doc: Doc = {"spec": {}}
    service.default(doc)
    assert doc["spec"], "the Service module's default is not called"
    assert [column.name for column in service.columns[:2]] == ["Name", "Type"]


def test_virtual_kinds_can_only_be_created() -> None:
    assert {k.kind for k in KINDS if k.verbs == ("create",)} == VIRTUAL


def test_subresources() -> None:
    found = {f"{k.plural}/{sub.name}": sub.verbs for k in KINDS for sub in discovery.subresources(k)}
    assert found["pods/log"] == ("get",)
    assert found["pods/binding"] == ("create",)
    assert found["pods/eviction"] == ("create",)
    assert found["pods/status"] == ("get", "patch", "update")
    assert {name for name in found if name.endswith("/scale")} == {
        "deployments/scale",
        "replicasets/scale",
        "replicationcontrollers/scale",
        "statefulsets/scale",
    }
    assert "configmaps/status" not in found


def test_classic_and_aggregated_discovery_agree() -> None:
    aggregated = {}
    for doc in (discovery.aggregated_api(), discovery.aggregated_apis()):
        for group in doc["items"]:
            for version in group["versions"]:
                api_version = "/".join(filter(None, (group["metadata"].get("name"), version["version"])))
                names = [r["resource"] for r in version["resources"]]
                names += [
                    f"{r['resource']}/{s['subresource']}"
                    for r in version["resources"]
                    for s in r.get("subresources", ())
                ]
                aggregated[api_version] = sorted(names)
    classic = {}
    for group, version in catalogue.groups():
        listed = discovery.api_resource_list(group, version)
        assert listed
        classic[listed["groupVersion"]] = sorted(r["name"] for r in listed["resources"])
    assert aggregated == classic


def test_discovery_of_the_unknown() -> None:
    assert discovery.api_resource_list("apps", "v2") is None
    assert discovery.api_group("nothing.io") is None
    assert discovery.api_group("") is None
    assert discovery.api_group("apps") == {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": "apps",
        "versions": [{"groupVersion": "apps/v1", "version": "v1"}],
        "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"},
    }
