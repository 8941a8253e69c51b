"""What a cluster has from its beginning: namespaces, the Service of the API itself, and what the configuration adds."""

import ipaddress
import logging

from portway.apiserver.config import ServerConfig
from portway.apiserver.registry import Options, Registry, collection, key_of
from portway.apiserver.target import Target
from portway.kubeapi import pipeline
from portway.kubeapi.catalogue import by_kind, by_resource
from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.kinds import Kind
from portway.kubeapi.pipeline import Prepared, Request
from portway.kubeapi.servicecidr import FINALIZER
from portway.store import Key

log = logging.getLogger(__name__)

NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


async def bootstrap(registry: Registry, config: ServerConfig, port: int) -> None:
    """Create what is missing. `port`: where the API listens."""
    for name in NAMESPACES:
        await _create(registry, Target(_kind("namespaces")), {"metadata": {"name": name}})
    services = Target(_kind("services"), "default")
    await _create(registry, services, _service(config, config.inside[1] if config.inside else port))
    if config.inside:
        await _announce(registry, *config.inside)
    await _default_service_cidr(registry, config)
    for document in config.first_objects:
        kind = by_kind(document["apiVersion"], document["kind"])
        assert kind is not None, document["kind"]
        await _create(registry, Target(kind, document["metadata"].get("namespace", "")), document)


def first_service_address(config: ServerConfig) -> str:
    """The `kubernetes` Service's clusterIP."""
    return str(ipaddress.ip_network(config.service_cidrs[0])[1])


def _service(config: ServerConfig, port: int) -> Doc:
    labels = {"component": "apiserver", "provider": "kubernetes"}
    return {
        "metadata": {"name": "kubernetes", "labels": labels},
        "spec": {
            "clusterIP": first_service_address(config),
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": port}],
            "sessionAffinity": "None",
            "type": "ClusterIP",
        },
    }


async def _announce(registry: Registry, address: str, port: int) -> None:
    """This server as the Service's endpoint (pkg/controlplane/reconcilers): Endpoints, and the slice of its own."""
    name, ports = {"name": "kubernetes"}, [{"name": "https", "port": port, "protocol": "TCP"}]
    mirrored = name | {"labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}}
    subsets = [{"addresses": [{"ip": address}], "ports": ports}]
    await _create(registry, Target(_kind("endpoints"), "default"), {"metadata": mirrored, "subsets": subsets})
    slices = by_resource("discovery.k8s.io", "v1", "endpointslices")
    assert slices is not None
    document = {
        "metadata": name | {"labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": "IPv6" if ":" in address else "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": ports,
    }
    await _create(registry, Target(slices, "default"), document)


async def _default_service_cidr(registry: Registry, config: ServerConfig) -> None:
    """The ranges of the configuration as the ServiceCIDR `kubernetes`, ready (KEP-1880)."""
    kind = by_resource("networking.k8s.io", "v1", "servicecidrs")
    assert kind is not None
    target = Target(kind, "", "kubernetes")
    if registry.store.get(key_of(target)):
        return
    await _create(
        registry,
        Target(kind),
        {
            "metadata": {"name": "kubernetes", "finalizers": [FINALIZER]},
            "spec": {"cidrs": list(config.service_cidrs)},
        },
    )

    def ready(old: Doc, revision: int, request: Request) -> Prepared:
        message = "Kubernetes default Service CIDR is ready"
        condition = {"type": "Ready", "status": "True", "reason": "", "message": message}
        conditions = [condition | {"lastTransitionTime": request.now}]
        return pipeline.update_status(old | {"status": {"conditions": conditions}}, old, revision, request)

    await registry.change(target, ready, Options())


async def _create(registry: Registry, target: Target, doc: Doc) -> None:
    if registry.store.get(Key(collection(target.kind), target.namespace, doc["metadata"]["name"])):
        return
    try:
        await registry.create(target, doc, Options())
    except ApiError as error:  # e.g. another Service took the address: the rest of the API works all the same
        log.warning("%s cannot be made: %s", doc["metadata"]["name"], error.message)


def _kind(plural: str) -> Kind:
    kind = by_resource("", "v1", plural)
    assert kind is not None, plural
    return kind
