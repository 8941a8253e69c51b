"""PW-N12: a database's or administrator's port that can be dialled from outside."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.reach import exposed
from portway.analysis.view import PortView, ServiceView, resolve

PORTS = {
    22: "SSH",
    2375: "Docker",
    2379: "etcd",
    3306: "MySQL",
    5432: "PostgreSQL",
    5984: "CouchDB",
    6379: "Redis",
    6443: "the Kubernetes API",
    9042: "Cassandra",
    9200: "Elasticsearch",
    10250: "the kubelet",
    11211: "memcached",
    27017: "MongoDB",
}


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service, how in exposed(bundle):
        workloads = bundle.selected(service.namespace, service.selector)
        for port in service.ports:
            numbers: set[int | str | None] = {resolve(port, one) for one in workloads} or {port.target_port}
            known = next((n for n in (*numbers, port.port) if isinstance(n, int) and n in PORTS), None)
            if known:
                yield _finding(service, port, known, how)


def _finding(service: ServiceView, port: PortView, number: int, how: str) -> Finding:
    node = f"node:{port.node_port or '(drawn)'} → " if service.has_node_ports else ""
    return Finding(
        "PW-N12",
        "warning",
        f"{service.item.named} shows {PORTS[number]} to the outside by {how}",
        port.where("port"),
        confidence="likely",
        hop="door",
        seen=f"outside → {node}{service.name}:{port.port} → pod:{number}",
        effect="whoever reaches the nodes or the load balancer can try to log in",
        fix=Fix("type: ClusterIP, or loadBalancerSourceRanges and a NetworkPolicy for those who may"),
    )


def _example(kind: str) -> str:
    return examples.together(
        examples.service("{port: 5432}", name="db", selector="app: db", more=f"type: {kind}"),
        examples.workload("{containerPort: 5432}", name="db"),
    )


CHECK = Check(
    code="PW-N12",
    title="a database's or administrator's port that can be dialled from outside",
    severity="warning",
    hop="door",
    run=_run,
    cause="The whole path from outside to a port that is known for data or administration is open. Such programs are "
    "often set up for a private network.",
    mend="Keep the Service inside the cluster, or narrow who may come.",
    controls=("C-0256", "C-0266"),
    fails=_example("NodePort"),
    passes=_example("ClusterIP"),
)
