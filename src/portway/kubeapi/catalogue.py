"""Every Kind that Portway's API serves, and ways to find one.

What is special about a Kind stands in a module of its own, whose functions carry the names of Kind's hooks
(`default`, `validate`, …); here each Kind is put together from its names, its schema and that module.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import ModuleType
from typing import Any

from msgspec.structs import replace

from portway.kubeapi import (
    bgp,
    clusternetworkpolicy,
    endpoints,
    endpointslice,
    ingress,
    ingressclass,
    ipaddress,
    ipaddresspool,
    l2advertisement,
    networkpolicy,
    service,
    servicecidr,
)
from portway.kubeapi.gateway.hooks import hooks as gateway_hooks
from portway.kubeapi.kinds import Kind
from portway.kubeapi.printing import COLUMNS
from portway.kubeapi.workloads import (
    configmap,
    daemonset,
    deployment,
    event,
    job,
    namespace,
    node,
    pod,
    replicaset,
    replicationcontroller,
    secret,
    serviceaccount,
    statefulset,
)

HOOKS = (
    "fields",
    "name_rule",
    "default",
    "on_read",
    "begin_create",
    "begin_update",
    "begin_delete",
    "prepare_create",
    "prepare_update",
    "validate",
    "validate_status",
    "warnings",
)
"""The names of Kind's fields that a Kind's own module may define."""


def hooks(module: ModuleType) -> dict[str, Any]:
    """What a Kind's module defines of `HOOKS`."""
    return {name: value for name in HOOKS if (value := vars(module).get(name)) is not None}


def _kind(module: ModuleType | None, kind: str, plural: str, *short_names: str, **rest: Any) -> Kind:
    """A Kind whose schema and singular are named after it."""
    return Kind(
        kind=kind,
        plural=plural,
        singular=kind.lower(),
        short_names=short_names,
        schema=rest.pop("schema", kind),
        columns=COLUMNS.get(kind, ()),
        **(hooks(module) if module else {}),
        **rest,
    )


def _inert(kind: str, plural: str, *short_names: str, **rest: Any) -> Kind:
    """A Kind that is stored and served, and that nothing acts on."""
    return _kind(None, kind, plural, *short_names, inert=True, **rest)


def _gateway(kind: str, plural: str, *short_names: str, **rest: Any) -> Kind:
    """A Kind of Gateway API: all that is special about it stands in tables."""
    fields = {"status": True, "generation": True, "categories": ("gateway-api",), **gateway_hooks(kind), **rest}
    return _kind(None, kind, plural, *short_names, **fields)


_ALL = ("all",)
_REVIEW = {"verbs": ("create",), "namespaced": False}

_CORE = (
    _kind(None, "Binding", "bindings", verbs=("create",)),
    _kind(configmap, "ConfigMap", "configmaps", "cm"),
    _kind(endpoints, "Endpoints", "endpoints", "ep"),
    _kind(event, "Event", "events", "ev"),
    _inert("LimitRange", "limitranges", "limits"),
    _kind(namespace, "Namespace", "namespaces", "ns", namespaced=False, status=True),
    _kind(node, "Node", "nodes", "no", namespaced=False, status=True),
    _inert("PersistentVolumeClaim", "persistentvolumeclaims", "pvc", status=True),
    _inert("PersistentVolume", "persistentvolumes", "pv", namespaced=False, status=True),
    _kind(pod, "Pod", "pods", "po", categories=_ALL, status=True, generation=True),
    _inert("PodTemplate", "podtemplates", generation=True),
    _kind(
        replicationcontroller,
        "ReplicationController",
        "replicationcontrollers",
        "rc",
        categories=_ALL,
        status=True,
        scale=True,
        generation=True,
    ),
    _inert("ResourceQuota", "resourcequotas", "quota", status=True),
    _kind(secret, "Secret", "secrets"),
    _kind(serviceaccount, "ServiceAccount", "serviceaccounts", "sa"),
    _kind(service, "Service", "services", "svc", categories=_ALL, status=True),
)
_APPS = (
    _kind(None, "ControllerRevision", "controllerrevisions"),
    _kind(daemonset, "DaemonSet", "daemonsets", "ds", categories=_ALL, status=True, generation=True),
    _kind(
        deployment,
        "Deployment",
        "deployments",
        "deploy",
        categories=_ALL,
        status=True,
        scale=True,
        generation=True,
    ),
    _kind(
        replicaset,
        "ReplicaSet",
        "replicasets",
        "rs",
        categories=_ALL,
        status=True,
        scale=True,
        generation=True,
    ),
    _kind(
        statefulset,
        "StatefulSet",
        "statefulsets",
        "sts",
        categories=_ALL,
        status=True,
        scale=True,
        generation=True,
    ),
)
_BATCH = (
    _inert("CronJob", "cronjobs", "cj", categories=_ALL, status=True, generation=True),
    _kind(job, "Job", "jobs", categories=_ALL, status=True, generation=True),
)
_NETWORKING = (
    _kind(ingressclass, "IngressClass", "ingressclasses", namespaced=False, generation=True),
    _kind(ingress, "Ingress", "ingresses", "ing", status=True, generation=True),
    _kind(ipaddress, "IPAddress", "ipaddresses", "ip", namespaced=False),
    _kind(networkpolicy, "NetworkPolicy", "networkpolicies", "netpol", generation=True),
    _kind(servicecidr, "ServiceCIDR", "servicecidrs", namespaced=False, status=True),
)
_RBAC = (
    _inert("ClusterRoleBinding", "clusterrolebindings", namespaced=False),
    _inert("ClusterRole", "clusterroles", namespaced=False),
    _inert("RoleBinding", "rolebindings"),
    _inert("Role", "roles"),
)
_METALLB = (
    _kind(ipaddresspool, "IPAddressPool", "ipaddresspools", status=True, generation=True),
    _kind(l2advertisement, "L2Advertisement", "l2advertisements", status=True, generation=True),
    _kind(bgp, "BGPAdvertisement", "bgpadvertisements", status=True, generation=True),
    _kind(None, "ServiceL2Status", "servicel2statuses", status=True),
    _kind(None, "ServiceBGPStatus", "servicebgpstatuses", status=True),
    _inert("BFDProfile", "bfdprofiles", status=True, generation=True, schema=""),
    _inert("Community", "communities", generation=True, schema=""),
)
_GATEWAY = (
    _gateway("BackendTLSPolicy", "backendtlspolicies", "btlspolicy"),
    _gateway("GatewayClass", "gatewayclasses", "gc", namespaced=False),
    _gateway("Gateway", "gateways", "gtw"),
    _gateway("GRPCRoute", "grpcroutes"),
    _gateway("HTTPRoute", "httproutes"),
    _gateway("ListenerSet", "listenersets", "lset"),
    _gateway("ReferenceGrant", "referencegrants", "refgrant", status=False),
    _gateway("TCPRoute", "tcproutes"),
    _gateway("TLSRoute", "tlsroutes"),
    _gateway("UDPRoute", "udproutes"),
)
_OLDER = {
    "v1beta1": ("GatewayClass", "Gateway", "HTTPRoute", "ReferenceGrant"),
    "v1alpha2": ("GRPCRoute", "TCPRoute", "TLSRoute", "UDPRoute"),
}
"""Under which further version of its group a kind of Gateway API is served."""
_GROUPS: Mapping[tuple[str, str], tuple[Kind, ...]] = {
    ("", "v1"): _CORE,
    ("apps", "v1"): _APPS,
    ("events.k8s.io", "v1"): (_kind(None, "Event", "events", "ev", schema="events.Event"),),
    ("authentication.k8s.io", "v1"): (_kind(None, "SelfSubjectReview", "selfsubjectreviews", **_REVIEW),),
    ("authorization.k8s.io", "v1"): (_kind(None, "SelfSubjectAccessReview", "selfsubjectaccessreviews", **_REVIEW),),
    ("autoscaling", "v2"): (
        _inert(
            "HorizontalPodAutoscaler",
            "horizontalpodautoscalers",
            "hpa",
            categories=_ALL,
            status=True,
        ),
    ),
    ("batch", "v1"): _BATCH,
    ("networking.k8s.io", "v1"): _NETWORKING,
    ("policy", "v1"): (_inert("PodDisruptionBudget", "poddisruptionbudgets", "pdb", status=True, generation=True),),
    ("rbac.authorization.k8s.io", "v1"): _RBAC,
    ("storage.k8s.io", "v1"): (_inert("StorageClass", "storageclasses", "sc", namespaced=False),),
    ("apiextensions.k8s.io", "v1"): (
        _inert(
            "CustomResourceDefinition",
            "customresourcedefinitions",
            "crd",
            "crds",
            categories=("api-extensions",),
            namespaced=False,
            status=True,
            generation=True,
            schema="",
        ),
    ),
    ("scheduling.k8s.io", "v1"): (_inert("PriorityClass", "priorityclasses", "pc", namespaced=False, generation=True),),
    ("coordination.k8s.io", "v1"): (_kind(None, "Lease", "leases"),),
    ("discovery.k8s.io", "v1"): (_kind(endpointslice, "EndpointSlice", "endpointslices", generation=True),),
    ("policy.networking.k8s.io", "v1alpha2"): (
        _kind(
            clusternetworkpolicy,
            "ClusterNetworkPolicy",
            "clusternetworkpolicies",
            "cnp",
            namespaced=False,
            status=True,
            generation=True,
        ),
    ),
    ("metallb.io", "v1beta1"): _METALLB,
    ("metallb.io", "v1beta2"): (_kind(bgp, "BGPPeer", "bgppeers", status=True, generation=True),),
    ("gateway.networking.k8s.io", "v1"): tuple(
        replace(kind, served_versions=("v1", *older) if older else ())
        for kind in _GATEWAY
        for older in [[version for version, kinds in _OLDER.items() if kind.kind in kinds]]
    ),
}

KINDS: tuple[Kind, ...] = tuple(
    replace(kind, group=group, version=version) for (group, version), kinds in _GROUPS.items() for kind in kinds
)
"""In the order in which discovery lists groups: where names collide, the earlier one is meant. Those whose only verb is
create are answered or acted upon, and never stored."""

OLDER: tuple[Kind, ...] = tuple(
    replace(kind, version=version) for kind in KINDS for version in kind.served_versions if version != kind.version
)
"""The same objects under other versions: served and found as asked for, and in no other list."""


@lru_cache(maxsize=1)
def _resources() -> dict[tuple[str, str, str], Kind]:
    return {(k.group, k.version, k.plural): k for k in (*KINDS, *OLDER)}


@lru_cache(maxsize=1)
def _kinds() -> dict[tuple[str, str], Kind]:
    return {(k.api_version, k.kind): k for k in (*KINDS, *OLDER)}


@lru_cache(maxsize=1)
def _names() -> dict[str, Kind]:
    ranks = (lambda k: (k.plural,), lambda k: (k.singular,), lambda k: k.short_names)
    names: dict[str, Kind] = {}
    for rank in ranks:
        for kind in KINDS:
            for name in rank(kind):
                names.setdefault(name, kind)
    return names


def by_resource(group: str, version: str, plural: str) -> Kind | None:
    """`by_resource("apps", "v1", "deployments")`."""
    return _resources().get((group, version, plural))


def by_kind(api_version: str, kind: str) -> Kind | None:
    """`by_kind("apps/v1", "Deployment")`."""
    return _kinds().get((api_version, kind))


def by_name(text: str) -> Kind | None:
    """What kubectl takes for a resource: plural, singular, short name or kind in any case, then perhaps its group.

    `deploy`, `Services`, `events.events.k8s.io`, `deployments.apps`, `deployments.v1.apps`.
    """
    name, _, qualifier = text.lower().partition(".")
    if not qualifier:
        return _names().get(name)
    for kind in (*KINDS, *OLDER):
        if name in (kind.plural, kind.singular, *kind.short_names) and qualifier in (
            kind.group,
            f"{kind.version}.{kind.group}",
        ):
            return kind
    return None


def groups() -> tuple[tuple[str, str], ...]:
    """(group, version) in discovery's order; ("", "v1") first."""
    return tuple(dict.fromkeys((kind.group, kind.version) for kind in (*KINDS, *OLDER)))


def kinds_of(group: str, version: str) -> tuple[Kind, ...]:
    """The Kinds of one group and version; empty for an unknown one."""
    return tuple(kind for kind in (*KINDS, *OLDER) if (kind.group, kind.version) == (group, version))
