"""What users reported as wrong findings of other linters, and what real manifests showed of ours: nothing is found."""

import pytest

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Settings
from portway.analysis.checks import built_in
from portway.analysis.lint import lint
from portway.testing.checks import bundle_of

SERVICE = examples.service("{name: http, port: 80, targetPort: 8080}")
DNS_SERVICE = "- to: [{namespaceSelector: {}}]\n  ports: [{port: 5353, protocol: UDP}, {port: 5353}]"
EGRESS = "podSelector: {}\npolicyTypes: [Egress]\negress:\n"
SLICE = (
    "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
    "metadata: {name: db-1, labels: {kubernetes.io/service-name: db}}\naddressType: IPv4\n"
    "ports: [{name: sql, port: 5432}]\nendpoints: [{addresses: [192.0.2.7]}]\n"
)
SIDECAR = (
    "initContainers: [{name: proxy, image: proxy, restartPolicy: Always, ports: [{name: http, containerPort: 80}]}]"
)
HOST_ONLY = (
    "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: shop}\n"
    "spec: {tls: [{hosts: [a.example]}], rules: [{host: a.example}]}\n"
)

OPERATED = "apiVersion: watch.example/v1\nkind: Watcher\nmetadata: {name: main}\nspec: {replicas: 2, image: watcher}\n"
"""A custom resource whose operator makes pods and Services that no manifest has."""
HEALTH = "readinessProbe: {httpGet: {port: 9901, path: /healthz}}"

CASES = {
    "KL#179, KS#377 the workload is in another repository": ("PW-U01", (SERVICE,)),
    "KL#465 a label that the StatefulSet's controller adds": (
        "PW-U01",
        (
            examples.service("{port: 80}", selector="app: shop, statefulset.kubernetes.io/pod-name: shop-0"),
            examples.workload(kind="StatefulSet", more="serviceName: shop"),
        ),
    ),
    "PE#214 ExternalName selects nothing": (
        "PW-U01",
        (
            examples.service("{port: 80}", more="type: ExternalName\nexternalName: a.example"),
            examples.workload(name="b"),
        ),
    ),
    "no namespace and namespace default are one": (
        "PW-U01",
        (SERVICE.replace("{name: shop}", "{name: shop, namespace: default}"), examples.workload()),
    ),
    "KL#746 endpoints by hand": (
        "PW-W14",
        (examples.service("{name: sql, port: 5432}", name="db", selector=""), SLICE),
    ),
    "PE#355 the port of a native sidecar": (
        "PW-W01",
        (examples.service("{port: 80, targetPort: http}"), examples.workload("", pod=SIDECAR)),
    ),
    "cli#19 a sidecar container's port": (
        "PW-W05",
        (
            examples.service("{port: 80, targetPort: 9000}"),
            examples.workload(pod=SIDECAR.replace("80}", "9000}")),
        ),
    ),
    "KL#1086, KL#1197 a probe's number need not be declared": (
        "PW-H02",
        (examples.workload(container="readinessProbe: {httpGet: {port: 8081}}"),),
    ),
    "PE#202 a peer of all namespaces": (
        "PW-U08",
        (examples.workload(), examples.policy("podSelector: {}\ningress:\n- from: [{namespaceSelector: {}}]")),
    ),
    "PE#566 an ipBlock matches no pod": (
        "PW-U08",
        (
            examples.workload(),
            examples.policy("podSelector: {}\ningress:\n- from: [{ipBlock: {cidr: 203.0.113.0/24}}]"),
        ),
    ),
    "a default deny is no allow-all": (
        "PW-U09",
        (examples.workload(), examples.policy("podSelector: {}\npolicyTypes: [Ingress, Egress]")),
    ),
    "KS#363, KS#388 an Ingress rule without http": ("PW-R07", (SERVICE, HOST_ONLY)),
    "KS#144 an Ingress backend by name": ("PW-R01", (SERVICE, examples.ingress(examples.backend("name: http")))),
    "two named ports are two questions": (
        "PW-U10",
        (
            examples.workload(
                "{name: a, containerPort: 1}, {name: b, containerPort: 2}",
                container="readinessProbe: {httpGet: {port: a}}\nlivenessProbe: {httpGet: {port: b}}",
            ),
        ),
    ),
    "a cluster's Service range is not ours to know": (
        "PW-A01",
        (examples.service("{port: 80}", more="clusterIP: 10.110.86.95"),),
    ),
    "OpenShift's DNS pods listen on 5353": ("PW-P07", (examples.workload(), examples.policy(EGRESS + DNS_SERVICE))),
    "a mesh's sidecar serves what its annotation says": (
        "PW-R05",
        (
            examples.workload(pod="initContainers: [{name: istio-proxy, image: proxy, restartPolicy: Always}]").replace(
                "labels: {app: shop}}\n    spec",
                'labels: {app: shop}, annotations: {prometheus.io/port: "15020"}}\n    spec',
            ),
        ),
    ),
    "an argument names the undeclared targetPort": (
        "PW-W05",
        (
            examples.service("{port: 443, targetPort: 8443}"),
            examples.workload("{containerPort: 9443}", container='args: ["--metrics-bind-address=:8443"]'),
        ),
    ),
    "which of two undeclared targetPorts is meant cannot be told": (
        "PW-W05",
        (
            examples.service("{name: a, port: 1, targetPort: 7001}\n{name: b, port: 2, targetPort: 7002}"),
            examples.workload("{containerPort: 9090}"),
        ),
    ),
    "a health endpoint on a port of its own speaks for the pod": (
        "PW-H01",
        (SERVICE, examples.workload(container=HEALTH)),
    ),
    "liveness asks the same port: it is there for health": (
        "PW-H01",
        (
            SERVICE,
            examples.workload(
                container="readinessProbe: {httpGet: {port: 9901}}\nlivenessProbe: {httpGet: {port: 9901}}"
            ),
        ),
    ),
    "a port named for its health checks": (
        "PW-H01",
        (
            SERVICE,
            examples.workload(
                "{containerPort: 8080}, {name: http-health, containerPort: 9901}",
                container="readinessProbe: {tcpSocket: {port: http-health}}",
            ),
        ),
    ),
    "an operator makes the pods of a Service": (
        "PW-U01",
        (examples.service("{port: 80}", selector="app: watcher, instance: main"), examples.workload(), OPERATED),
    ),
    "an operator makes the pods that a policy speaks of": (
        "PW-U08",
        (
            examples.workload(),
            examples.policy(
                "podSelector: {matchLabels: {app: watcher}}\n"
                "ingress:\n- from: [{podSelector: {matchLabels: {instance: main}}}]"
            ),
            OPERATED,
        ),
    ),
    "an operator makes the Service of an Ingress": (
        "PW-R07",
        (SERVICE, examples.ingress(examples.backend("number: 80", "main-dashboard")), OPERATED),
    ),
    "egress without any limit beside an ingress rule": (
        "PW-U09",
        (
            examples.workload(),
            examples.policy("podSelector: {}\npolicyTypes: [Ingress, Egress]\ningress: []\negress: [{}]"),
        ),
    ),
    "one pod of an agent on each node's own network": (
        "PW-W16",
        (SERVICE, examples.workload(kind="DaemonSet", pod="hostNetwork: true")),
    ),
    "an address that is told to others, not listened on": (
        "PW-W18",
        (SERVICE, examples.workload(container='args: ["--publish-status-address=localhost"]')),
    ),
    "another's host": ("PW-W18", (SERVICE, examples.workload(container='args: ["--cache-host=localhost:6379"]'))),
    "metrics on loopback, and the Service leads elsewhere": (
        "PW-W18",
        (SERVICE, examples.workload(container='args: ["--metrics-bind-address=127.0.0.1:9100"]')),
    ),
    "two declared ports, one named by a flag": (
        "PW-W17",
        (
            SERVICE,
            examples.workload("{containerPort: 8080}, {containerPort: 9120}", container='args: ["--port=9120"]'),
        ),
    ),
    "versions of one application behind one Service": (
        "PW-W08",
        (
            SERVICE,
            examples.workload(name="a", labels="app: shop, version: v1"),
            examples.workload(name="b", labels="app: shop, version: v2"),
        ),
    ),
}
_UNKNOWN = (
    "undeclared targetPorts",
    "KL#179",
    "an operator makes the pods of a Service",
    "an operator makes the Service",
    "each node's own network",
)
"""Said all the same, as unknown or as something to know."""


@pytest.mark.parametrize("case", CASES)
def test_nothing_is_found(case: str) -> None:
    code, documents = CASES[case]
    (check,) = [one for one in built_in() if one.code == code]
    report = lint(bundle_of(examples.together(*documents)), [check], Settings())
    assert not [one.message for one in report.findings if one.severity != "info"] and not report.problems
    assert bool(report.findings) == any(known in case for known in _UNKNOWN)


def test_what_could_not_be_read_may_be_what_is_missing() -> None:
    text = examples.together(SERVICE, examples.workload(name="b"), examples.ingress(examples.backend("number: 1", "c")))
    whole = bundle_of(text)
    checks = [one for one in built_in() if one.code in ("PW-U01", "PW-R07")]
    for partial, severity in ((False, "error"), (True, "info")):
        found = lint(Bundle(whole.items, partial=partial), checks, Settings()).findings
        assert [(one.code, one.severity) for one in found] == [("PW-U01", severity), ("PW-R07", severity)]


@pytest.mark.parametrize(
    ("way_in", "peer", "closed"),
    [
        ("type: LoadBalancer", "namespaceSelector: {matchLabels: {mesh: here}}", True),
        ("type: NodePort", "podSelector: {}", True),
        ("type: NodePort", "ipBlock: {cidr: 203.0.113.0/24}", False),
        ("", "namespaceSelector: {matchLabels: {doors: here}}", False),
    ],
)
def test_who_comes_by_an_address_is_in_no_namespace(way_in: str, peer: str, closed: bool) -> None:
    """Found in a mesh's gateway: rules for namespaces let no client of a load balancer in, but an Ingress's door."""
    (check,) = [one for one in built_in() if one.code == "PW-P05"]
    service = examples.service("{port: 80, targetPort: 8080}", more=way_in)
    door = () if way_in else (examples.ingress(examples.backend("number: 80")),)
    policy = examples.policy(f"podSelector: {{}}\ningress:\n- from: [{{{peer}}}]")
    text = examples.together(service, examples.workload(), policy, *door)
    assert bool(lint(bundle_of(text), [check], Settings()).findings) == closed


def test_unlimited_egress_undoes_another_policy() -> None:
    (check,) = [one for one in built_in() if one.code == "PW-U09"]
    limits = examples.policy("podSelector: {}\npolicyTypes: [Egress]\negress: [{ports: [{port: 443}]}]", name="limits")
    undoes = examples.policy("podSelector: {}\npolicyTypes: [Egress]\negress: [{}]", name="undoes")
    (found,) = lint(bundle_of(examples.together(examples.workload(), limits, undoes)), [check], Settings()).findings
    assert found.where.object == "NetworkPolicy default/undoes" and "limits" in found.effect


def test_a_port_that_another_service_port_leads_to_is_not_the_one_that_is_meant() -> None:
    (check,) = [one for one in built_in() if one.code == "PW-W05"]
    service = examples.service("{name: metrics, port: 443, targetPort: 8443}\n{name: hook, port: 9443}")
    (found,) = lint(
        bundle_of(examples.together(service, examples.workload("{containerPort: 9443}"))), [check], Settings()
    ).findings
    assert found.severity == "info" and "did you mean" not in found.message


def test_what_a_check_says_is_not_said_again_by_validation() -> None:
    report = lint(bundle_of(examples.service("{port: 80}\n{port: 81}")), built_in(), Settings())
    assert [one.code for one in report.findings if one.severity == "error"] == ["PW-W12", "PW-W12"]
