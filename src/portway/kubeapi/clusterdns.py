"""What everybody has to know of a cluster's DNS: its domain and where it answers.

Names are kubeadm's (cmd/kubeadm/app/phases/addons/dns, GetDNSIP), so that what people know of CoreDNS applies.
"""

import ipaddress
from collections.abc import Mapping, Sequence

DOMAIN = "cluster.local"
NAMESPACE, NAME = "kube-system", "kube-dns"
"""Of the Service."""
LABELS: Mapping[str, str] = {"k8s-app": "kube-dns"}
"""Of the pods behind it."""
_TENTH = 10


def addresses(service_cidrs: Sequence[str]) -> tuple[str, ...]:
    """The Service's clusterIPs, one a range: the tenth address; of a range without a tenth, the last but one."""
    networks = map(ipaddress.ip_network, service_cidrs)
    return tuple(str(network[min(_TENTH, network.num_addresses - 2)]) for network in networks)
