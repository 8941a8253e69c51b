"""The same requests to kube-apiserver itself and to Portway's: the same answers, word for word.

Runs where KUBE_APISERVER and ETCD name binaries. What only one request can say (uids, times, versions, addresses drawn
at random) is left out, and managedFields, which Portway keeps from an object's first apply on (decision 7).
"""

import http.client
import json
import re
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from portway.testing import apiserver, kube_apiserver

if kube_apiserver.binaries() is None:
    pytest.skip("KUBE_APISERVER and ETCD name no binaries to compare with", allow_module_level=True)

Doc = dict[str, Any]
MERGE, JSON_PATCH, STRATEGIC, APPLY = (
    "application/merge-patch+json",
    "application/json-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
VOLATILE = ("uid", "resourceVersion", "creationTimestamp", "managedFields")
DRAWN = re.compile(r"10\.96\.\d+\.\d+|fd00:96::[0-9a-f:]+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Side:
    """One of the two servers."""

    def __init__(self, url: str, pki: Path) -> None:
        self._place = urlsplit(url).netloc
        self._context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        self._context.load_cert_chain(pki / "admin.crt", pki / "admin.key")

    def ask(self, method: str, path: str, body: Any, media: str) -> Doc:
        """What there is to compare of an answer."""
        connection = http.client.HTTPSConnection(self._place, context=self._context, timeout=30)
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"Content-Type": media, "Accept": "application/json"})
        answer = connection.getresponse()
        said = json.loads(answer.read())
        connection.close()
        return {"code": answer.status, "warnings": answer.headers.get_all("Warning"), "said": comparable(said)}


def comparable(value: Any) -> Any:
    """Without what only one request can say."""
    if isinstance(value, dict):
        return {name: comparable(part) for name, part in value.items() if name not in VOLATILE}
    if isinstance(value, list):
        return [comparable(part) for part in value]
    if isinstance(value, int) and 30000 <= value <= 32767:
        return "a nodePort"
    return DRAWN.sub("drawn", value) if isinstance(value, str) else value


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Side, Side]]:
    """kube-apiserver and ours, both with the namespace shop."""
    folder = tmp_path_factory.mktemp("both")
    with kube_apiserver.running(folder) as (url, pki), apiserver.start(folder) as ours:
        both = Side(url, pki), Side(ours.url, ours.config.pki)
        for side in both:
            side.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "shop"}}, "application/json")
        yield both


def check(sides: tuple[Side, Side], method: str, path: str, body: Any = None, media: str = "application/json") -> Doc:
    """Both answer the same; what that is."""
    wanted, found = (side.ask(method, path, body, media) for side in sides)
    assert found == wanted
    return wanted


CORE, NET = "/api/v1/namespaces/shop", "/apis/networking.k8s.io/v1/namespaces/shop"
PORTS: list[Doc] = [{"port": 80}]
BACKEND = {"service": {"name": "web", "port": {"number": 80}}}

SERVICES: list[Doc] = [
    {"ports": PORTS},
    {"ports": PORTS, "type": "NodePort"},
    {"ports": PORTS, "type": "LoadBalancer", "externalTrafficPolicy": "Local"},
    {"clusterIP": "None", "selector": {"a": "b"}, "ports": PORTS},
    {"clusterIP": "None"},
    {"type": "ExternalName", "externalName": "a.b.c"},
    {"ports": PORTS, "ipFamilyPolicy": "PreferDualStack"},
    {"ports": [{"port": 80, "name": "x"}, {"port": 80, "protocol": "UDP", "name": "y", "targetPort": "foo"}]},
    {"ports": PORTS, "ipFamilies": ["IPv6"]},
    {"ports": PORTS, "sessionAffinity": "ClientIP"},
    {"ports": PORTS, "externalIPs": ["010.1.2.3"]},
    {"ports": PORTS, "externalIPs": ["203.0.113.7"]},
    {"ports": PORTS, "trafficDistribution": "PreferClose"},
    {"ports": PORTS, "foo": 1},
    {},
    {"ports": [{"port": 80}, {"port": 81}]},
    {"ports": [{"port": 80}, {"port": 80}]},
    {"ports": [{"port": 0}]},
    {"ports": [{"port": 70000, "protocol": "ICMP", "targetPort": "UPPER_x"}]},
    {"ports": [{"port": "80"}]},
    {"ports": "x"},
    {"ports": PORTS, "type": "Foo"},
    {"ports": PORTS, "clusterIP": "1.2.3.4"},
    {"ports": PORTS, "clusterIP": "abc"},
    {"ports": PORTS, "ipFamilies": ["IPv5"]},
    {"ports": PORTS, "ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4", "IPv6"]},
    {"ports": PORTS, "externalIPs": ["127.0.0.1", "x"]},
    {"ports": PORTS, "loadBalancerSourceRanges": ["10.0.0.0/8"]},
    {"ports": PORTS, "type": "LoadBalancer", "loadBalancerSourceRanges": ["10.0.0.0/33"]},
    {"ports": PORTS, "externalTrafficPolicy": "Local", "internalTrafficPolicy": "Foo"},
    {"ports": PORTS, "type": "LoadBalancer", "healthCheckNodePort": 31000},
    {"ports": PORTS, "loadBalancerClass": "a/b", "allocateLoadBalancerNodePorts": False},
    {"type": "ExternalName", "externalName": "-a", "clusterIP": "10.96.0.77"},
    {"ports": PORTS, "sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 100000}}},
    {"ports": PORTS, "selector": {"a b": "c"}},
]
POLICIES: list[Doc] = [
    {},
    {"podSelector": {}, "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}]},
    {"podSelector": {}, "ingress": [{"ports": [{"port": 80}, {"port": "http", "protocol": "UDP"}]}]},
    {"podSelector": {}, "ingress": [{"ports": [{"port": 80, "endPort": 5}, {"endPort": 5}, {"port": "A_b"}]}]},
    {"podSelector": {}, "ingress": [{"from": [{}, {"ipBlock": {"cidr": "x"}, "podSelector": {}}]}]},
    {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8"]}}]}]},
    {"podSelector": {"matchExpressions": [{"key": "a", "operator": "Foo", "values": ["x"]}]}},
    {"podSelector": {}, "policyTypes": ["Foo"]},
]
INGRESSES: list[Doc] = [
    {},
    {"defaultBackend": BACKEND},
    {"rules": [{"host": "*.b.c", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": BACKEND}]}}]},
    {"rules": [{"host": "1.2.3.4", "http": {"paths": [{"path": "x", "pathType": "Exact", "backend": BACKEND}]}}]},
    {"rules": [{"http": {"paths": [{"path": "/", "backend": BACKEND}]}}]},
    {"rules": [{"http": {"paths": []}}], "ingressClassName": "A B"},
    {"defaultBackend": BACKEND | {"resource": {"apiGroup": "a.b", "kind": "X", "name": "y"}}},
    {"defaultBackend": BACKEND, "tls": [{"hosts": ["A B"], "secretName": "S_x"}]},
]
SLICES: list[Doc] = [
    {"addressType": "IPv4", "endpoints": [{"addresses": ["10.1.2.3"]}], "ports": PORTS},
    {"addressType": "IPv6", "endpoints": [{"addresses": ["2001:db8::1"], "nodeName": "n"}], "ports": PORTS},
    {"endpoints": [{"addresses": ["x"]}]},
    {"addressType": "X", "endpoints": []},
    {"addressType": "IPv4", "endpoints": [{"addresses": ["127.0.0.1"]}, {"addresses": []}, {"addresses": ["::1"]}]},
    {"addressType": "IPv4", "endpoints": [], "ports": [{"port": 80}, {"port": 99999, "name": "A_b"}]},
    {"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"], "nodeName": "A B", "hostname": "A.B"}]},
]
_POD: Doc = {"containers": [{"name": "c", "image": "i"}]}
_CHOSEN: Doc = {
    "selector": {"matchLabels": {"a": "b"}},
    "template": {"metadata": {"labels": {"a": "b"}}, "spec": _POD},
}
STATEFUL_SETS: list[Doc] = [
    _CHOSEN | {"serviceName": "web"},
    _CHOSEN | {"serviceName": "web", "updateStrategy": {"type": "OnDelete"}, "podManagementPolicy": "Parallel"},
    _CHOSEN | {"serviceName": "web", "updateStrategy": {"rollingUpdate": {"partition": 2}}, "ordinals": {"start": 3}},
    _CHOSEN | {"serviceName": "web", "replicas": -1},
    _CHOSEN | {"serviceName": "web", "podManagementPolicy": "Any"},
    _CHOSEN | {"serviceName": "web", "selector": {"matchLabels": {"a": "c"}}},
    {"serviceName": "web", "template": {"spec": _POD}},
]
DAEMON_SETS: list[Doc] = [
    _CHOSEN,
    _CHOSEN | {"updateStrategy": {"type": "OnDelete"}, "minReadySeconds": 5},
    _CHOSEN | {"updateStrategy": {"rollingUpdate": {"maxUnavailable": "30%"}}},
    _CHOSEN | {"updateStrategy": {"type": "Any"}},
    _CHOSEN | {"updateStrategy": {"rollingUpdate": {"maxUnavailable": 0}}},
    _CHOSEN | {"selector": {"matchLabels": {"a": "c"}}},
]
JOBS: list[Doc] = [
    {"template": {"spec": _POD | {"restartPolicy": "Never"}}},
    {"template": {"spec": _POD | {"restartPolicy": "OnFailure"}}, "parallelism": 3},
    {"template": {"spec": _POD | {"restartPolicy": "Never"}}, "completions": 4, "completionMode": "Indexed"},
    {"template": {"spec": _POD | {"restartPolicy": "Never"}}, "suspend": True, "ttlSecondsAfterFinished": 5},
    {"template": {"spec": _POD}},
    {"template": {"spec": _POD | {"restartPolicy": "Always"}}},
    {"template": {"spec": _POD | {"restartPolicy": "Never"}}, "completions": -1},
    {"template": {"spec": _POD | {"restartPolicy": "Never"}}, "completionMode": "Any"},
]
_CREATED = [
    *(("/apis/apps/v1/namespaces/shop/statefulsets", f"set-{n}", {"spec": one}) for n, one in enumerate(STATEFUL_SETS)),
    *(("/apis/apps/v1/namespaces/shop/daemonsets", f"daemon-{n}", {"spec": one}) for n, one in enumerate(DAEMON_SETS)),
    *(("/apis/batch/v1/namespaces/shop/jobs", f"job-{n}", {"spec": one}) for n, one in enumerate(JOBS)),
    *((f"{CORE}/services", f"service-{number}", {"spec": spec}) for number, spec in enumerate(SERVICES)),
    *((f"{NET}/networkpolicies", f"policy-{number}", {"spec": spec}) for number, spec in enumerate(POLICIES)),
    *((f"{NET}/ingresses", f"ingress-{number}", {"spec": spec}) for number, spec in enumerate(INGRESSES)),
    *(
        ("/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices", f"slice-{number}", fields)
        for number, fields in enumerate(SLICES)
    ),
]


@pytest.mark.parametrize(("path", "name", "fields"), _CREATED, ids=[name for _, name, _ in _CREATED])
def test_what_is_created(sides: tuple[Side, Side], path: str, name: str, fields: Doc) -> None:
    check(sides, "POST", path, {"metadata": {"name": name}} | fields)
    check(sides, "GET", f"{path}/{name}")
    check(sides, "POST", f"{path}?dryRun=All", {"metadata": {"name": f"{name}-dry"}} | fields)


def test_a_conversation(sides: tuple[Side, Side]) -> None:
    """One Service, changed in every manner."""
    web = f"{CORE}/services/web"
    ports = [{"port": 80, "name": "a"}, {"port": 81, "name": "b"}]
    check(sides, "POST", f"{CORE}/services", {"metadata": {"name": "web"}, "spec": {"ports": ports}})
    for body, media in (
        ({"spec": {"type": "NodePort"}}, MERGE),
        ({"spec": {"type": "ClusterIP"}}, MERGE),
        ({"spec": {"ports": [{"port": 81, "targetPort": 9}]}}, STRATEGIC),
        ([{"op": "replace", "path": "/spec/ports/0/port", "value": 99}], JSON_PATCH),
        ({"spec": {"ipFamilyPolicy": "PreferDualStack"}}, MERGE),
        ({"spec": {"ipFamilies": ["IPv6"]}}, MERGE),
        ({"spec": {"clusterIP": "10.96.3.3"}}, MERGE),
        ({"metadata": {"name": "other"}}, MERGE),
        ({"metadata": {"resourceVersion": "1"}}, MERGE),
    ):
        check(sides, "PATCH", web, body, media)
    applied = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}
    for query in ("", "?fieldManager=me", "?fieldManager=me&force=true"):
        check(sides, "PATCH", f"{web}{query}", applied | {"spec": {"publishNotReadyAddresses": True}}, APPLY)
    check(sides, "DELETE", web, {"preconditions": {"uid": "x"}})
    check(sides, "DELETE", web)
    check(sides, "DELETE", web)


def test_the_addresses_of_services(sides: tuple[Side, Side]) -> None:
    """IPAddresses that come and go with a Service, and one that keeps Services away."""
    addresses = "/apis/networking.k8s.io/v1/ipaddresses"
    both: Doc = {"clusterIPs": ["10.96.9.9", "fd00:96::9:9"], "ipFamilyPolicy": "RequireDualStack", "ports": PORTS}
    check(sides, "POST", f"{CORE}/services", {"metadata": {"name": "both"}, "spec": both})
    check(sides, "GET", f"{addresses}/10.96.9.9")
    check(sides, "GET", f"{addresses}/fd00:96::9:9")
    check(sides, "PATCH", f"{CORE}/services/both", {"spec": {"ipFamilyPolicy": "SingleStack"}}, MERGE)
    check(sides, "GET", f"{addresses}/fd00:96::9:9")
    check(sides, "DELETE", f"{CORE}/services/both")
    check(sides, "GET", f"{addresses}/10.96.9.9")
    mine = {"metadata": {"name": "10.96.9.9"}, "spec": {"parentRef": {"resource": "doors", "name": "mine"}}}
    check(sides, "POST", addresses, mine)
    check(
        sides,
        "POST",
        f"{CORE}/services",
        {"metadata": {"name": "one"}, "spec": {"clusterIP": "10.96.9.9"} | {"ports": PORTS}},
    )
    check(sides, "POST", addresses, mine)
    check(sides, "DELETE", f"{addresses}/10.96.9.9")
    check(sides, "POST", addresses, mine | {"metadata": {"name": "10.096.9.9"}})


@pytest.mark.parametrize(
    "cidrs",
    [
        ["192.0.2.0/28"],
        ["192.0.2.0/28", "2001:db8::/112"],
        ["192.0.2.1/28"],
        [],
        ["2001:db8::/48"],
        ["x"],
        ["10.0.0.0/8"] * 3,
    ],
)
def test_service_cidrs(sides: tuple[Side, Side], cidrs: list[str]) -> None:
    """Nobody says here whether they are ready."""
    path, services = "/apis/networking.k8s.io/v1/servicecidrs", f"{CORE}/services"
    check(sides, "POST", path, {"metadata": {"name": "more"}, "spec": {"cidrs": cidrs}})
    inside = {"metadata": {"name": "in"}, "spec": {"clusterIP": "192.0.2.7", "ports": PORTS}}
    if "192.0.2.0/28" in cidrs:
        _until(lambda: sides[0].ask("POST", f"{services}?dryRun=All", inside, "application/json")["code"] == 201)
    check(sides, "POST", services, inside)
    check(sides, "PATCH", f"{path}/more", {"spec": {"cidrs": ["192.0.2.0/28", "2001:db8:1::/112"]}}, MERGE)
    check(sides, "DELETE", f"{services}/in")
    check(sides, "DELETE", f"{path}/more")
    _until(lambda: sides[0].ask("POST", f"{services}?dryRun=All", inside, "application/json")["code"] == 422)


def _until(happened: Callable[[], bool]) -> None:
    """kube-apiserver hears of what it stored itself a little later."""
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_of_workloads_may_change(sides: tuple[Side, Side]) -> None:
    apps, batch = "/apis/apps/v1/namespaces/shop", "/apis/batch/v1/namespaces/shop"
    check(sides, "POST", f"{apps}/statefulsets", {"metadata": {"name": "s"}, "spec": STATEFUL_SETS[0]})
    for change in (
        {"replicas": 3},
        {"serviceName": "other"},
        {"minReadySeconds": 4},
        {"podManagementPolicy": "Parallel"},
    ):
        check(sides, "PATCH", f"{apps}/statefulsets/s", {"spec": change}, MERGE)
    check(sides, "GET", f"{apps}/statefulsets/s/scale")
    check(sides, "POST", f"{apps}/daemonsets", {"metadata": {"name": "d"}, "spec": DAEMON_SETS[0]})
    check(sides, "PATCH", f"{apps}/daemonsets/d", {"spec": {"selector": {"matchLabels": {"a": "c"}}}}, MERGE)
    check(sides, "POST", f"{batch}/jobs", {"metadata": {"name": "j"}, "spec": JOBS[0]})
    check(sides, "PATCH", f"{batch}/jobs/j", {"spec": {"parallelism": 5}}, MERGE)
