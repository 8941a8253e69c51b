"""What every cluster has from its beginning: four namespaces and the Service of the API itself."""

from portway.apiserver.config import ServerConfig
from portway.apiserver.registry import Options, Registry
from portway.apiserver.target import Target
from portway.kubeapi.allocators import AddressRange
from portway.kubeapi.catalogue import by_resource
from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.kinds import Kind

NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


async def bootstrap(registry: Registry, config: ServerConfig, port: int) -> None:
    """Create what is missing. `port`: where the API listens."""
    for name in NAMESPACES:
        await _create(registry, Target(_kind("namespaces")), {"metadata": {"name": name}})
    services = Target(_kind("services"), "default")
    await _create(registry, services, _service(config, port))


def first_service_address(config: ServerConfig) -> str:
    """The `kubernetes` Service's clusterIP."""
    import ipaddress

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


async def _create(registry: Registry, target: Target, doc: Doc) -> None:
    try:
        await registry.create(target, doc, Options())
    except ApiError as error:
        if error.code != 409 and "already allocated" not in error.message:
            raise


def _kind(plural: str) -> Kind:
    kind = by_resource("", "v1", plural)
    assert kind is not None, plural
    return kind


__all__ = ["NAMESPACES", "AddressRange", "bootstrap", "first_service_address"]
