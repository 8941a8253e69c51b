"""What a pod is called, and what its /etc/hosts says. Pure. (Its /etc/resolv.conf: dns/podconf.py.)

Sources: pkg/kubelet/kubelet_pods.go (GeneratePodHostNameAndDomain, managedHostsFileContent); pkg/kubelet/util
(GetNodenameForKernel).
"""

from collections.abc import Iterable

from msgspec import Struct

from portway.kubeapi.clusterdns import DOMAIN
from portway.kubeapi.errors import Doc

_LONGEST_HOSTNAME, _LONGEST_KERNEL_NAME = 63, 64
_LOCAL = """\
# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
"""


class NameTooLong(Exception):
    """The kernel takes no host name of that length; the text is kubelet's."""


class PodName(Struct, frozen=True):
    """What a pod is called inside."""

    host: str
    domain: str = ""
    """Of its fully qualified name; empty: it has none."""
    kernel: str = ""
    """What `hostname` says."""


def pod_name(pod: Doc, node: str, domain: str = DOMAIN) -> PodName:
    """Its names; a pod in its node's network is called as the node is. `domain`: the cluster's. Raises NameTooLong."""
    spec, metadata = pod["spec"], pod["metadata"]
    if spec.get("hostNetwork"):
        return PodName(node, kernel=node)
    if override := spec.get("hostnameOverride"):
        host = _shortened(override)
        return PodName(host, kernel=host)
    host = _shortened(spec.get("hostname") or metadata["name"])
    below = f"{spec['subdomain']}.{metadata['namespace']}.svc.{domain}" if spec.get("subdomain") else ""
    kernel = f"{host}.{below}" if below and spec.get("setHostnameAsFQDN") else host
    if len(kernel) > _LONGEST_KERNEL_NAME:
        raise NameTooLong(
            f"Failed to construct FQDN from Pod hostname and cluster domain, FQDN {kernel} is too long "
            f"({_LONGEST_KERNEL_NAME} characters is the max, {len(kernel)} characters requested)"
        )
    return PodName(host, below, kernel)


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_HOSTNAME else name[:_LONGEST_HOSTNAME].rstrip("-.")


def hosts_file(name: PodName, addresses: Iterable[str], aliases: Iterable[Doc], of_node: str | None = None) -> str:
    """A pod's /etc/hosts; `of_node`: the file of the node, for a pod in its network."""
    if of_node is not None:
        return f"# Kubernetes-managed hosts file (host network).\n{of_node}{_aliases(aliases)}"
    called = f"{name.host}.{name.domain}\t{name.host}" if name.domain else name.host
    return _LOCAL + "".join(f"{address}\t{called}\n" for address in addresses) + _aliases(aliases)


def _aliases(aliases: Iterable[Doc]) -> str:
    lines = ["\t".join([alias["ip"], *(alias.get("hostnames") or [])]) + "\n" for alias in aliases]
    return "".join(["\n# Entries added by HostAliases.\n", *lines]) if lines else ""
