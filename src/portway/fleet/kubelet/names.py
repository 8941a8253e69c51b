"""What a pod is called, and what its /etc/hosts and /etc/resolv.conf say. Pure.

Sources: pkg/kubelet/kubelet_pods.go (GeneratePodHostNameAndDomain, managedHostsFileContent), kubelet_network.go
(GetPodDNS), pkg/kubelet/network/dns; pkg/kubelet/util (GetNodenameForKernel).
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from portway.dns.resolvconf import ResolvConf, added
from portway.kubeapi.clusterdns import DOMAIN
from portway.kubeapi.errors import Doc

_LONGEST_HOSTNAME, _LONGEST_KERNEL_NAME = 63, 64
_MOST_NAMESERVERS, _MOST_SEARCHES, _LONGEST_SEARCH, _LONGEST_SEARCH_LINE = 3, 32, 253, 2048
"""pkg/apis/core/validation MaxDNSNameservers, MaxDNSSearchPaths, MaxDNSSearchListChars."""
_OPTIONS = ("ndots:5",)
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


def pod_name(pod: Doc, node: str) -> PodName:
    """Its names; a pod in its node's network is called as the node is. Raises NameTooLong."""
    spec, metadata = pod["spec"], pod["metadata"]
    if spec.get("hostNetwork"):
        return PodName(node, kernel=node)
    if override := spec.get("hostnameOverride"):
        host = _shortened(override)
        return PodName(host, kernel=host)
    host = _shortened(spec.get("hostname") or metadata["name"])
    domain = f"{spec['subdomain']}.{metadata['namespace']}.svc.{DOMAIN}" if spec.get("subdomain") else ""
    kernel = f"{host}.{domain}" if domain and spec.get("setHostnameAsFQDN") else host
    if len(kernel) > _LONGEST_KERNEL_NAME:
        raise NameTooLong(
            f"Failed to construct FQDN from Pod hostname and cluster domain, FQDN {kernel} is too long "
            f"({_LONGEST_KERNEL_NAME} characters is the max, {len(kernel)} characters requested)"
        )
    return PodName(host, domain, kernel)


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


def resolv_conf(pod: Doc, cluster_dns: Sequence[str], node: ResolvConf) -> tuple[ResolvConf, list[str]]:
    """A pod's resolv.conf by dnsPolicy and dnsConfig, and what of it was left out. `node`: that of its node."""
    spec = pod["spec"]
    policy, wanted = spec.get("dnsPolicy") or "ClusterFirst", spec.get("dnsConfig") or {}
    more = ResolvConf(
        tuple(wanted.get("nameservers") or ()), tuple(wanted.get("searches") or ()), tuple(_options(wanted))
    )
    return _fitting(added(_base(policy, pod, cluster_dns, node), more))


def _base(policy: str, pod: Doc, cluster_dns: Sequence[str], node: ResolvConf) -> ResolvConf:
    if policy == "None":
        return ResolvConf()
    if policy == "Default" or (policy == "ClusterFirst" and pod["spec"].get("hostNetwork")) or not cluster_dns:
        return node
    searches = (f"{pod['metadata']['namespace']}.svc.{DOMAIN}", f"svc.{DOMAIN}", DOMAIN)
    return added(ResolvConf(tuple(cluster_dns), searches, _OPTIONS), ResolvConf(searches=node.searches))


def _options(config: Doc) -> Iterable[str]:
    for option in config.get("options") or ():
        yield f"{option['name']}:{option['value']}" if option.get("value") else option["name"]


def _fitting(conf: ResolvConf) -> tuple[ResolvConf, list[str]]:
    """As much of it as resolvers take, and kubelet's words about the rest."""
    nameservers, searches = conf.nameservers[:_MOST_NAMESERVERS], _fitting_searches(conf.searches)
    said = []
    if nameservers != conf.nameservers:
        said.append(
            "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: "
            + " ".join(nameservers)
        )
    if searches != conf.searches:
        said.append(
            "Search Line limits were exceeded, some search paths have been omitted, the applied search line is: "
            + " ".join(searches)
        )
    return ResolvConf(nameservers, searches, conf.options), said


def _fitting_searches(searches: Sequence[str]) -> tuple[str, ...]:
    kept = [search for search in searches[:_MOST_SEARCHES] if len(search) <= _LONGEST_SEARCH]
    while len(" ".join(kept)) > _LONGEST_SEARCH_LINE:
        kept.pop()
    return tuple(kept)
