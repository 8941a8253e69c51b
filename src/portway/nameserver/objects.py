"""What a cluster's API server has of its DNS: the Service kube-dns, and the Deployment of the pods behind it.

Names, labels and ports are kubeadm's (cmd/kubeadm/app/phases/addons/dns), so that what people know of CoreDNS in their
clusters applies: the label k8s-app=kube-dns, ports dns and dns-tcp, the tenth address of the Service range.
"""

import ipaddress
from collections.abc import Sequence

from portway.kubeapi.errors import Doc

NAMESPACE, NAME = "kube-system", "kube-dns"
LABELS = {"k8s-app": "kube-dns"}
_TENTH = 10


def dns_addresses(service_cidrs: Sequence[str]) -> tuple[str, ...]:
    """The Service's clusterIPs, one a range: the tenth address; of a range without a tenth, the last but one."""
    networks = map(ipaddress.ip_network, service_cidrs)
    return tuple(str(network[min(_TENTH, network.num_addresses - 2)]) for network in networks)


def cluster_dns_objects(service_cidrs: Sequence[str]) -> list[Doc]:
    """The Service and the Deployment."""
    addresses = list(dns_addresses(service_cidrs))
    labels = LABELS | {"kubernetes.io/cluster-service": "true", "kubernetes.io/name": "KubeDNS"}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": labels},
            "spec": {
                "selector": LABELS,
                "clusterIP": addresses[0],
                "clusterIPs": addresses,
                "ipFamilyPolicy": "RequireDualStack" if len(addresses) > 1 else "SingleStack",
                "ports": [
                    {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
                    {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
                ],
            },
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": LABELS},
            "spec": {
                "replicas": 1,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
                "selector": {"matchLabels": LABELS},
                "template": {"metadata": {"labels": LABELS}, "spec": _pod()},
            },
        },
    ]


def _pod() -> Doc:
    ports = [
        {"name": "dns", "containerPort": 53, "protocol": "UDP"},
        {"name": "dns-tcp", "containerPort": 53, "protocol": "TCP"},
    ]
    return {
        "dnsPolicy": "Default",
        "priorityClassName": "system-cluster-critical",
        "containers": [{"name": "dns", "image": "portway.dev/nameserver", "ports": ports}],
    }
