"""Names, asked by clients that nobody here wrote: dig, getent, curl and kubectl inside, dnspython from this machine.

What Kubernetes' own [sig-network] DNS conformance specs look up is looked up here, in the same forms.
"""

import ipaddress
import json
import shutil
from collections.abc import Iterator, Sequence

import dns.message
import dns.query
import dns.rcode
import dns.reversename
import pytest

from tests.e2e.conftest import Running, portway
from tests.patience import PATIENCE, until

ZONE = "cluster.local"
needs_dig = pytest.mark.skipif(not shutil.which("dig"), reason="dig is missing (Debian: bind9-dnsutils)")

OBJECTS = """
apiVersion: v1
kind: Namespace
metadata: {name: names}
---
apiVersion: v1
kind: Pod
metadata: {name: querier, namespace: names, labels: {app: querier}}
spec:
  hostname: querier-1
  subdomain: headless
  hostAliases:
  - {ip: 10.9.8.7, hostnames: [legacy, legacy.example]}
  containers:
  - name: web
    image: example/web
    ports: [{name: http, containerPort: 8080}]
---
apiVersion: v1
kind: Pod
metadata:
  name: called
  namespace: names
  annotations: {portway.dev/runtime: process}
spec:
  hostname: short
  subdomain: headless
  setHostnameAsFQDN: true
  dnsPolicy: None
  dnsConfig:
    nameservers: [10.96.0.10]
    searches: [shop.svc.cluster.local]
    options: [{name: ndots, value: "2"}, {name: edns0}]
  containers:
  - {name: sh, image: unused, command: [sh, -c, "hostname; curl -s http://web; exec sleep 1000"]}
---
apiVersion: v1
kind: Pod
metadata: {name: hostnet, namespace: names, annotations: {portway.dev/runtime: process}}
spec:
  hostNetwork: true
  dnsPolicy: ClusterFirstWithHostNet
  containers: [{name: sh, image: unused, command: [sleep, "1000"]}]
---
apiVersion: v1
kind: Pod
metadata: {name: default, namespace: names}
spec:
  dnsPolicy: Default
  containers: [{name: idle, image: example/idle}]
---
apiVersion: v1
kind: Service
metadata: {name: headless, namespace: names}
spec:
  clusterIP: None
  ipFamilyPolicy: RequireDualStack
  selector: {app: querier}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: regular, namespace: names}
spec:
  ipFamilyPolicy: RequireDualStack
  selector: {app: querier}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: away, namespace: names}
spec: {type: ExternalName, externalName: foo.example.com}
"""


@pytest.fixture(scope="module")
def names(fleet: Running) -> Iterator[Running]:
    """The fleet of all, with pods and Services to be asked for."""
    portway(fleet.person, "up", "--name", fleet.name, "-f", "-", "--detach", text=OBJECTS)
    for name, kind in (("querier-1.headless", "AAAA"), ("regular", "AAAA"), ("away", "CNAME")):
        name = f"{name}.names.svc.{ZONE}"
        until(lambda n=name, k=kind: data(from_here(fleet, n, k)), f"{name} is known")  # type: ignore[misc]
    yield fleet
    fleet.kubectl("delete", "namespace", "names", "--wait=false")


def inside(fleet: Running, place: str, script: str) -> str:
    """What a shell script says at a place of the fleet."""
    return fleet.portway("exec", place, "--", "sh", "-c", script).stdout


def answered(fleet: Running, place: str, questions: Sequence[str]) -> dict[str, list[str]]:
    """dig's answers to `NAME TYPE` by UDP and by TCP, with the search list of the place."""
    lines = [
        f'echo "? {question} {how}"; dig +time=20 +tries=2 +noall +answer +search {how} {question}'
        for question in questions
        for how in ("+notcp", "+tcp")
    ]
    found: dict[str, list[str]] = {}
    for line in inside(fleet, place, "; ".join(lines)).splitlines():
        if line.startswith("? "):
            answers = found.setdefault(line[2:], [])
        elif line and not line.startswith(";"):
            answers.append(line)
    return found


def from_here(fleet: Running, name: str, kind: str, tcp: bool = False) -> dns.message.Message:
    """The fleet's answer to this machine."""
    ask = dns.query.tcp if tcp else dns.query.udp
    address, port = fleet.dns
    return ask(dns.message.make_query(name, kind, use_edns=0), address, port=port, timeout=PATIENCE)


def data(reply: dns.message.Message) -> list[str]:
    """The answer's data, sorted."""
    return sorted(each.to_text() for rrset in reply.answer for each in rrset)


@needs_dig
def test_the_api_servers_name_and_the_pods_own(names: Running) -> None:
    """[Conformance] "should provide DNS for the cluster", "… /etc/hosts entries for the cluster"."""
    found = answered(names, "pod/names/querier", [f"kubernetes.default.svc.{ZONE} A", "kubernetes.default A"])
    assert len(found) == 4 and all(found.values()), found
    said = inside(
        names, "pod/names/querier", f"getent hosts querier-1.headless.names.svc.{ZONE}; getent hosts querier-1"
    )
    assert len(said.splitlines()) == 2


@needs_dig
def test_services_by_every_form_of_their_names(names: Running) -> None:
    """[Conformance] "should provide DNS for services": A, SRV and PTR, partly qualified too, by UDP and TCP."""
    services = names.json("-n", "names", "get", "services")["items"]
    regular = next(one for one in services if one["metadata"]["name"] == "regular")
    questions = [f"{name} {kind}" for name in _forms("headless") for kind in ("A", "AAAA")]
    questions += [f"_http._tcp.{service}.names.svc{end} SRV" for service in ("headless", "regular") for end in _ENDS]
    questions += [f"{dns.reversename.from_address(address)} PTR" for address in regular["spec"]["clusterIPs"]]
    found = answered(names, "pod/names/querier", questions)
    assert len(found) == 2 * len(questions) and all(found.values()), found
    pointers = [line.split()[-1] for question, lines in found.items() if " PTR " in question for line in lines]
    assert set(pointers) == {f"regular.names.svc.{ZONE}."}


_ENDS = ("", f".{ZONE}")


def _forms(service: str) -> list[str]:
    return [service, f"{service}.names", f"{service}.names.svc", f"{service}.names.svc.{ZONE}"]


@needs_dig
def test_a_hostname_below_its_headless_service(names: Running) -> None:
    """[Conformance] "should provide DNS for pods for Hostname" and "… Subdomain"."""
    pod = names.json("-n", "names", "get", "pod", "querier")
    addresses = {each["ip"] for each in pod["status"]["podIPs"]}
    questions = [f"querier-1.headless.names.svc.{ZONE} {kind}" for kind in ("A", "AAAA")]
    found = answered(names, "pod/shop/" + _pod_of(names, "app=web"), questions)
    assert {str(ipaddress.ip_address(line.split()[-1])) for lines in found.values() for line in lines} == addresses


def _pod_of(fleet: Running, label: str) -> str:
    return str(fleet.json("-n", "shop", "get", "pods", "-l", label)["items"][0]["metadata"]["name"])


@needs_dig
def test_an_external_name_is_followed_where_it_goes(names: Running) -> None:
    """[Conformance] "should provide DNS for ExternalName services": CNAME, another CNAME, then a ClusterIP."""
    name = f"away.names.svc.{ZONE}"

    def says(kind: str) -> str:
        return inside(names, "pod/names/querier", f"dig +short +time=20 +tries=2 {name} {kind}").strip()

    assert says("CNAME") == "foo.example.com."
    names.kubectl("-n", "names", "patch", "service", "away", "-p", '{"spec": {"externalName": "bar.example.com"}}')
    until(lambda: says("CNAME") == "bar.example.com.", "the new name")
    change = '{"spec": {"type": "ClusterIP", "externalName": null, "ports": [{"port": 80}]}}'
    names.kubectl("-n", "names", "patch", "service", "away", "-p", change)
    address = names.json("-n", "names", "get", "service", "away")["spec"]["clusterIP"]
    until(lambda: says("A") == address, "an address")


def test_a_service_is_reached_by_name_from_a_pod_on_every_node(names: Running) -> None:
    pods = names.json("-n", "shop", "get", "pods")["items"]
    # whichever: other tests have taken some away, and others have come elsewhere
    one_each = {p["spec"]["nodeName"]: p["metadata"]["name"] for p in pods if "deletionTimestamp" not in p["metadata"]}
    assert len(one_each) == 3
    for pod in one_each.values():
        place = f"pod/shop/{pod}"
        said = inside(names, place, "curl -sS http://web && curl -sS http://web.shop && curl -sS http://db.shop:5432")
        assert said.count('"namespace": "shop"') == 3, said


def test_dns_config_host_name_and_aliases_are_seen_inside(names: Running) -> None:
    """[Conformance] "should support configurable pod DNS nameservers", "… pod resolv.conf"."""
    names.kubectl("-n", "names", "wait", "--for=condition=Ready", "pod", "--all", "--timeout=90s")
    resolv_conf = names.kubectl("-n", "names", "exec", "called", "--", "cat", "/etc/resolv.conf").stdout
    assert resolv_conf == "search shop.svc.cluster.local\nnameserver 10.96.0.10\noptions ndots:2 edns0\n"
    assert names.kubectl("-n", "names", "exec", "called", "--", "hostname").stdout == (
        f"short.headless.names.svc.{ZONE}\n"
    )
    until(
        lambda: '"namespace": "shop"' in names.kubectl("-n", "names", "logs", "called").stdout, "web by its short name"
    )
    said = inside(names, "pod/names/querier", "getent hosts legacy; cat /etc/resolv.conf; hostname")
    assert said.split()[0] == "10.9.8.7"
    assert said.splitlines()[-1] == "querier-1"
    assert "search names.svc.cluster.local svc.cluster.local cluster.local" in said
    assert said.splitlines()[-2] == "options ndots:5"


def test_agnhost_connects_by_name(names: Running) -> None:
    """Played by the kubelet, with the names that the pod knows."""
    words = ("-n", "names", "exec", "querier", "--", "/agnhost", "connect", "--timeout=60s")
    assert names.kubectl(*words, "web.shop:80").returncode == 0
    assert "DNS" in names.kubectl(*words, "none.shop:80", check=False).stderr


def test_nodes_and_default_pods_ask_their_node_which_knows_no_services(names: Running) -> None:
    node = names.json("-n", "names", "get", "pod", "default")["spec"]["nodeName"]
    own = f"nameserver 172.18.0.1{node.removeprefix('node-')}"
    for place in (node, "pod/names/default"):
        assert own in inside(names, place, "cat /etc/resolv.conf").splitlines()
    assert inside(names, node, "hostname").strip() == node


def test_a_pod_in_its_nodes_network_may_ask_the_clusters_dns(names: Running) -> None:
    """dnsPolicy ClusterFirstWithHostNet: called as its node is, but Services have names."""
    names.kubectl("-n", "names", "wait", "--for=condition=Ready", "pod", "hostnet", "--timeout=90s")
    node = names.json("-n", "names", "get", "pod", "hostnet")["spec"]["nodeName"]
    script = "hostname; head -1 /etc/hosts; cat /etc/resolv.conf; curl -sS http://web.shop"
    said = names.kubectl("-n", "names", "exec", "hostnet", "--", "sh", "-c", script).stdout
    assert said.splitlines()[:2] == [node, "# Kubernetes-managed hosts file (host network)."]
    assert "nameserver 10.96.0.10\n" in said and '"namespace": "shop"' in said


def test_this_machine_is_untouched(names: Running) -> None:
    with open("/etc/resolv.conf") as resolv_conf, open("/etc/hosts") as hosts:
        assert "10.96.0.10" not in resolv_conf.read() and "Kubernetes-managed" not in hosts.read()


@pytest.mark.parametrize("tcp", [False, True])
def test_from_this_machine(names: Running, tcp: bool) -> None:
    """dnspython as the client: it checks that the reply is one to its question."""
    pod = names.json("-n", "names", "get", "pod", "querier")["status"]["podIPs"]
    service = names.json("-n", "names", "get", "service", "regular")["spec"]["clusterIPs"]
    assert data(from_here(names, f"headless.names.svc.{ZONE}", "A", tcp)) == [pod[0]["ip"]]
    assert data(from_here(names, f"regular.names.svc.{ZONE}", "AAAA", tcp)) == [service[1]]
    assert data(from_here(names, f"_http._tcp.regular.names.svc.{ZONE}", "SRV", tcp)) == [
        f"0 100 80 regular.names.svc.{ZONE}."
    ]
    assert data(from_here(names, f"_http._tcp.headless.names.svc.{ZONE}", "SRV", tcp)) == [
        f"0 100 8080 querier-1.headless.names.svc.{ZONE}."
    ]
    for each in pod:
        pointer = str(dns.reversename.from_address(each["ip"]))
        assert f"querier-1.headless.names.svc.{ZONE}." in data(from_here(names, pointer, "PTR", tcp))
    assert data(from_here(names, f"dns-version.{ZONE}", "TXT", tcp)) == ['"1.1.0"']
    assert data(from_here(names, f"10-244-1-9.names.pod.{ZONE}", "A", tcp)) == ["10.244.1.9"]
    assert data(from_here(names, f"ns.dns.{ZONE}", "A", tcp)) == ["10.96.0.10"]


@pytest.mark.parametrize(
    ("name", "kind", "rcode"),
    [
        ("none.names.svc.cluster.local", "A", "NXDOMAIN"),
        ("regular.nowhere.svc.cluster.local", "A", "NXDOMAIN"),
        ("10-244-1-9.nowhere.pod.cluster.local", "A", "NXDOMAIN"),
        ("_https._tcp.regular.names.svc.cluster.local", "SRV", "NXDOMAIN"),
        ("regular.names.svc.cluster.local", "TXT", "NOERROR"),
        ("_tcp.regular.names.svc.cluster.local", "SRV", "NOERROR"),
        ("names.svc.cluster.local", "A", "NOERROR"),
        ("any.regular.names.svc.cluster.local", "A", "NXDOMAIN"),
    ],
)
def test_no_such_name_is_told_from_no_such_data(names: Running, name: str, kind: str, rcode: str) -> None:
    reply = from_here(names, name, kind)
    assert (dns.rcode.to_text(reply.rcode()), reply.answer, len(reply.authority)) == (rcode, [], 1)


def test_up_says_where_names_are_answered(names: Running) -> None:
    where = "{}:{}".format(*names.dns)
    assert f"DNS         {where}" in names.portway("status").stdout
    said = portway(names.person, "up", "--name", names.name, "--detach").stderr
    assert f"DNS at 10.96.0.10, fd00:96::a, from this machine at {where}" in said
    assert (f"DNS: port 53 answers at {names.dns[1]}" in said) == (names.dns[1] != 53)


ACME = r"""
import socket

door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
door.bind(("", 53))
while True:
    query, client = door.recvfrom(512)
    question = query[12 : query.index(b"\0", 12) + 5]
    head = query[:2] + b"\x85\x80" + query[4:6] + b"\0\1\0\0\0\0"
    door.sendto(head + question + b"\xc0\x0c\0\1\0\1\0\0\0\5\0\4\xc0\0\2\7", client)
"""
"""Every name is 192.0.2.7."""


def _acme(fleet: Running) -> str:
    """The address of a pod that is a DNS server."""
    container = {"name": "dns", "image": "unused", "command": ["python3", "-c", ACME]}
    metadata = {"name": "acme", "namespace": "names", "annotations": {"portway.dev/runtime": "process"}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}
    fleet.kubectl("apply", "-f", "-", text=json.dumps(pod))
    fleet.kubectl("-n", "names", "wait", "--for=condition=Ready", "pod", "acme", "--timeout=90s")
    return str(fleet.json("-n", "names", "get", "pod", "acme")["status"]["podIP"])


@needs_dig
def test_a_stub_domain_and_a_nameserver_of_a_pods_own(names: Running) -> None:
    """A ConfigMap says who is asked for a domain: a pod, over the fleet's network. dnsConfig says it for one pod."""
    acme = _acme(names)
    stubs = f'--from-literal=stubDomains={{"acme.local": ["{acme}"], "away.local": ["203.0.113.1"]}}'
    names.kubectl("-n", "kube-system", "create", "configmap", "kube-dns", stubs)
    asked = "dig +short +time=20 +tries=1 www.acme.local A"
    until(lambda: inside(names, "pod/names/querier", asked) == "192.0.2.7\n", "the stub's answer")
    refused = inside(names, "pod/names/querier", "dig +noall +comments +time=60 +tries=1 www.away.local A")
    assert "status: SERVFAIL" in refused
    names.kubectl("-n", "kube-system", "delete", "configmap", "kube-dns")
    spec = {
        "dnsPolicy": "None",
        "dnsConfig": {
            "nameservers": [acme],
            "searches": ["resolv.conf.local"],
            "options": [{"name": "ndots", "value": "2"}],
        },
        "containers": [{"name": "idle", "image": "example/idle"}],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "own", "namespace": "names"}, "spec": spec}
    names.kubectl("apply", "-f", "-", text=json.dumps(pod))
    names.kubectl("-n", "names", "wait", "--for=condition=Ready", "pod", "own", "--timeout=90s")
    assert inside(names, "pod/names/own", "getent ahostsv4 notexistname; true").startswith("192.0.2.7")


POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: nothing-out, namespace: names}
spec: {podSelector: {}, policyTypes: [Egress]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: dns-out, namespace: names}
spec:
  podSelector: {matchLabels: {app: querier}}
  policyTypes: [Egress]
  egress:
  - to:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
      podSelector: {matchLabels: {k8s-app: kube-dns}}
    ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]
"""


@needs_dig
def test_dns_is_a_service_like_others_to_policies(names: Running) -> None:
    asked = f"+short +tries=1 web.shop.svc.{ZONE} A || true"
    names.kubectl("apply", "-f", "-", text=POLICY)
    closed = f"dig +time=1 @10.96.0.10 {asked}"
    until(lambda: not inside(names, "pod/names/default", closed).strip(". \n").startswith("10."), "the policy")
    open_ = f"dig +time=20 {asked}"
    until(lambda: inside(names, "pod/names/querier", open_).startswith("10.96."), "DNS is let out")
    names.kubectl("delete", "-f", "-", text=POLICY)


@needs_dig
def test_more_pods_behind_the_service_and_one_less(names: Running) -> None:
    """kube-dns is a Service like others: its pods are on several nodes, each answers, and one that dies is replaced."""
    kube_dns = ("-n", "kube-system")
    names.kubectl(*kube_dns, "scale", "deployment", "kube-dns", "--replicas=3")
    names.kubectl(*kube_dns, "rollout", "status", "deployment", "kube-dns", "--timeout=90s")
    pods = names.json(*kube_dns, "get", "pods", "-l", "k8s-app=kube-dns")["items"]
    assert len({pod["spec"]["nodeName"] for pod in pods}) == 3
    addresses = [each["ip"] for pod in pods for each in pod["status"]["podIPs"]]
    asking = [f"dig +short +time=20 @{address} web.shop.svc.{ZONE}" for address in addresses]
    assert len(inside(names, "pod/names/querier", "; ".join(asking)).split()) == 6
    names.kubectl(*kube_dns, "delete", "pod", pods[0]["metadata"]["name"], "--grace-period=1")
    names.kubectl(*kube_dns, "scale", "deployment", "kube-dns", "--replicas=1")
    names.kubectl(*kube_dns, "rollout", "status", "deployment", "kube-dns", "--timeout=90s")
    # Each by a socket of its own, so that the kernel chooses among the endpoints anew.
    many = f"for i in $(seq 30); do dig +short +time=5 +tries=1 web.shop.svc.{ZONE}; done"
    until(lambda: len(inside(names, "pod/names/querier", many).split()) == 30, "all answered")
