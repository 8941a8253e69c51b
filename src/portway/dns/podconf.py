"""What a pod's /etc/resolv.conf says.

Sources: pkg/kubelet/kubelet_network.go (GetPodDNS), pkg/kubelet/network/dns.
"""

from collections.abc import Iterable, Sequence

from portway.dns.resolvconf import ResolvConf, added
from portway.kubeapi.clusterdns import DOMAIN
from portway.kubeapi.errors import Doc

_MOST_NAMESERVERS, _MOST_SEARCHES, _LONGEST_SEARCH, _LONGEST_SEARCH_LINE = 3, 32, 253, 2048
"""pkg/apis/core/validation MaxDNSNameservers, MaxDNSSearchPaths, MaxDNSSearchListChars."""
_OPTIONS = ("ndots:5",)


def resolv_conf(
    pod: Doc, cluster_dns: Sequence[str], node: ResolvConf, domain: str = DOMAIN
) -> tuple[ResolvConf, list[str]]:
    """A pod's resolv.conf by dnsPolicy and dnsConfig, and what of it was left out.

    `cluster_dns`, `domain`: kubelet's clusterDNS and clusterDomain; `node`: the resolv.conf of its node.
    """
    spec = pod["spec"]
    policy, wanted = spec.get("dnsPolicy") or "ClusterFirst", spec.get("dnsConfig") or {}
    more = ResolvConf(
        tuple(wanted.get("nameservers") or ()), tuple(wanted.get("searches") or ()), tuple(_options(wanted))
    )
    return _fitting(added(_base(policy, pod, cluster_dns, node, domain), more))


def _base(policy: str, pod: Doc, cluster_dns: Sequence[str], node: ResolvConf, domain: str) -> ResolvConf:
    if policy == "None":
        return ResolvConf()
    if policy == "Default" or (policy == "ClusterFirst" and pod["spec"].get("hostNetwork")) or not cluster_dns:
        return node
    searches = (f"{pod['metadata']['namespace']}.svc.{domain}", f"svc.{domain}", domain)
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
