"""What a cluster's API server has of its DNS: the Service kube-dns, and the Deployment of the pods behind it.

Ports are kubeadm's too (cmd/kubeadm/app/phases/addons/dns/manifests.go): dns and dns-tcp.
"""

from collections.abc import Sequence

from portway.kubeapi.clusterdns import LABELS, NAME, NAMESPACE, addresses
from portway.kubeapi.errors import Doc


def cluster_dns_objects(service_cidrs: Sequence[str]) -> list[Doc]:
    """The Service and the Deployment."""
    own, chosen = dict(LABELS), list(addresses(service_cidrs))
    labels = own | {"kubernetes.io/cluster-service": "true", "kubernetes.io/name": "KubeDNS"}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": labels},
            "spec": {
                "selector": own,
                "clusterIP": chosen[0],
                "clusterIPs": chosen,
                "ipFamilyPolicy": "RequireDualStack" if len(chosen) > 1 else "SingleStack",
                "ports": [
                    {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
                    {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
                ],
            },
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": own},
            "spec": {
                "replicas": 1,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
                "selector": {"matchLabels": own},
                "template": {"metadata": {"labels": own}, "spec": _pod()},
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
