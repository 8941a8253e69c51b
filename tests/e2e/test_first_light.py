"""The whole path: [external] → [node IP:nodePort] → [Service:port] → [pod:targetPort], on real packets."""

import json
import socket
import subprocess
from collections import Counter

import pytest

from tests.chance import is_unlikely
from tests.e2e.conftest import Running, ask, portway
from tests.patience import until
from tests.people import Person

WEB = 32100


def test_every_node_answers_and_reaches_every_pod(fleet: Running) -> None:
    for address in fleet.loopbacks:
        pods = {ask(address, WEB)["pod"] for _ in range(60)}
        assert len(pods) == 3, f"{address} reaches {pods}"


def test_the_stand_in_says_who_it_is(fleet: Running) -> None:
    said = ask(fleet.loopbacks[0], WEB, "/cart?x=1")
    assert said["namespace"] == "shop"
    assert said["port"] == 8080
    assert said["path"] == "/cart?x=1"
    pod = fleet.json("-n", "shop", "get", "pod", said["pod"])
    assert (pod["spec"]["nodeName"], pod["status"]["podIP"]) == (said["node"], said["podIP"])


def test_balancing_is_uniform(fleet: Running) -> None:
    """3,000 connections over 3 pods, within what chance allows."""
    addresses = fleet.loopbacks
    counts = Counter(ask(addresses[i % 3], WEB)["pod"] for i in range(3000))
    assert len(counts) == 3
    assert not [pod for pod, count in counts.items() if is_unlikely(count, 3000, 1 / 3)], counts


def test_ports_tells_where_names_lead(fleet: Running) -> None:
    rows = {row["service"]: row for row in json.loads(fleet.portway("ports", "-n", "shop", "-o", "json").stdout)}
    assert rows["api"]["targetPort"] == "http"
    assert rows["api"]["resolved"] == [3000, 4000]
    assert (rows["web"]["nodePort"], rows["web"]["ready"], rows["web"]["total"]) == (WEB, 3, 3)
    assert rows["db"]["clusterIps"] == ["None"]
    assert "http (3000,4000)" in fleet.portway("ports", "-n", "shop").stdout


def _a_pod(fleet: Running, label: str) -> str:
    return str(fleet.json("-n", "shop", "get", "pods", "-l", label)["items"][0]["metadata"]["name"])


@pytest.mark.parametrize(
    ("target", "origin", "code"),
    [
        ("node-1:32100", "outside", "FORWARDED"),
        ("node-3:32100", "node/node-1", "FORWARDED"),
        ("svc/shop/web:80", "node/node-2", "FORWARDED"),
        ("svc/shop/api:http", "POD", "FORWARDED"),
        ("svc/shop/web:http", "POD", "FORWARDED"),
        ("node-1:29999", "outside", "NODEPORT_UNSET"),
        ("node-1:32100/udp", "outside", "NODEPORT_UNSET"),
        ("svc/shop/web:80", "outside", "NO_ROUTE"),
        ("svc/shop/db:5432", "POD", "HEADLESS_NO_MAPPING"),
    ],
)
def test_trace_and_a_real_packet_agree(fleet: Running, target: str, origin: str, code: str) -> None:
    place = f"pod/shop/{_a_pod(fleet, 'app=web')}" if origin == "POD" else origin
    done = _agrees(fleet, target, "--from", place)
    assert json.loads(done.stdout)["code"] == code
    assert done.returncode == (0 if code == "FORWARDED" else 3)


def _agrees(fleet: Running, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """`portway trace … --probe`, once its packet met what it says: a probe on a busy machine may be too late."""

    def traced() -> "subprocess.CompletedProcess[str] | None":
        done = fleet.portway("trace", *arguments, "--probe", "-o", "json", check=False)
        assert done.stdout, done.stderr
        return done if json.loads(done.stdout)["agrees"] else None

    found = until(traced, f"a real packet meets what {' '.join(arguments)} says")
    assert found is not None
    return found


FROM_OUTSIDE = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: from-outside, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{ipBlock: {cidr: 172.18.0.1/32}}]}]}
"""


def test_a_probe_draws_every_backend_where_policies_let_only_some_be_reached(fleet: Running) -> None:
    """Those of the node that is dialled see the client, the others that node, which no rule lets in."""
    fleet.kubectl("apply", "-f", "-", text=FROM_OUTSIDE)
    try:
        told = json.loads(_agrees(fleet, "node-1:32100").stdout)
        assert told["probe"]["tries"] > 30, told
        assert {fate["allowed"] for fate in told["judged"]} == {True, False}
        [name] = [fate["backend"]["target"] for fate in told["judged"] if fate["allowed"]]
        assert told["probe"]["answered"].keys() == {name}
    finally:
        fleet.kubectl("-n", "shop", "delete", "networkpolicy", "from-outside")


def test_trace_draws_the_seed_form(fleet: Running) -> None:
    drawn = fleet.portway("trace", "node-1:32100").stdout
    assert "[outside 172.18.0.1] → [node-1 172.18.0.11:32100] → [shop/web:80 http] → one of 3" in drawn


def test_both_families_and_protocols(fleet: Running) -> None:
    """A dual-stack Service with TCP and UDP, dialled by nodePort and clusterIP in each family."""
    fleet.kubectl("apply", "-f", "-", text=ECHO)
    fleet.kubectl("-n", "echo", "rollout", "status", "deployment/echo", "--timeout=60s")
    service = fleet.json("-n", "echo", "get", "service", "echo")
    addresses = [*service["spec"]["clusterIPs"]]
    assert len(addresses) == 2
    node = f"pod/shop/{_a_pod(fleet, 'app=web')}"
    for address in addresses:
        host = f"[{address}]" if ":" in address else address
        for target in (f"{host}:7", f"{host}:7/udp"):
            assert json.loads(_agrees(fleet, target, "--from", node).stdout)["code"] == "FORWARDED"
    for address in ("172.18.0.12", "[fd00:18::12]"):
        for target in (f"{address}:30007", f"{address}:30007/udp"):
            assert json.loads(_agrees(fleet, target).stdout)["code"] == "FORWARDED"


def test_udp_through_the_relay(fleet: Running) -> None:
    fleet.kubectl("apply", "-f", "-", text=ECHO)
    fleet.kubectl("-n", "echo", "rollout", "status", "deployment/echo", "--timeout=60s")
    for address in fleet.loopbacks:
        assert b"echo-" in until(lambda at=address: _echoed(at), f"an answer of {address}")  # type: ignore[misc]


def _echoed(address: str) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.sendto(b"ping", (address, 30007))
        return client.recv(4096)


ECHO = """
apiVersion: v1
kind: Namespace
metadata: {name: echo}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: echo, namespace: echo}
spec:
  replicas: 2
  selector: {matchLabels: {app: echo}}
  template:
    metadata: {labels: {app: echo}}
    spec:
      containers:
      - name: echo
        image: example/echo
        ports:
        - {name: tcp, containerPort: 7007}
        - {name: udp, containerPort: 7007, protocol: UDP}
---
apiVersion: v1
kind: Service
metadata: {name: echo, namespace: echo}
spec:
  type: NodePort
  ipFamilyPolicy: RequireDualStack
  selector: {app: echo}
  ports:
  - {name: tcp, port: 7, targetPort: tcp, nodePort: 30007}
  - {name: udp, port: 7, targetPort: udp, protocol: UDP, nodePort: 30007}
"""


def test_a_nodeport_appears_and_goes_with_its_service(fleet: Running) -> None:
    fleet.kubectl("-n", "shop", "expose", "deployment", "api-v1", "--name=late", "--type=NodePort", "--port=80",
                  "--target-port=3000")  # fmt: skip
    port = fleet.json("-n", "shop", "get", "service", "late")["spec"]["ports"][0]["nodePort"]
    assert 30086 <= port <= 32767
    until(lambda: ask(fleet.loopbacks[1], port)["pod"].startswith("api-v1-"), "its pods answer")
    fleet.kubectl("-n", "shop", "delete", "service", "late")
    until(lambda: not _listens(fleet.loopbacks[1], port), "nobody listens any more")


def test_readiness_by_annotation_takes_a_pod_out_and_back(fleet: Running) -> None:
    pod = _a_pod(fleet, "app=web")
    fleet.kubectl("-n", "shop", "annotate", "pod", pod, "portway.dev/ready=false")
    until(lambda: pod not in {ask(fleet.loopbacks[0], WEB)["pod"] for _ in range(30)}, "it gets no connections")
    fleet.kubectl("-n", "shop", "annotate", "pod", pod, "portway.dev/ready-")
    until(lambda: pod in {ask(fleet.loopbacks[0], WEB)["pod"] for _ in range(30)}, "it gets some again")


def test_up_on_a_running_fleet_applies(fleet: Running) -> None:
    said = portway(fleet.person, "up", "--name", "e2e", "-f", "-", "--detach", text=EXTRA).stderr
    assert "2 created" in said
    assert "stored, but nothing acts on them here: HorizontalPodAutoscaler" in said
    assert "left out, because this API server does not know them: Rocket (space.example/v1)" in said
    again = portway(fleet.person, "up", "--name", "e2e", "-f", "-", "--detach", text=EXTRA).stderr
    assert "2 unchanged" in again


def test_a_refused_document_is_named_and_keeps_nothing_else_away(fleet: Running) -> None:
    text = """apiVersion: v1
kind: ConfigMap
metadata: {name: before}
---
apiVersion: v1
kind: Service
metadata: {name: BAD}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: steep}
spec:
  type: ClusterIP
  ports:
  - port: 70000
---
apiVersion: v1
kind: Service
metadata: {name: after}
spec: {ports: [{port: 80}]}
"""
    done = portway(fleet.person, "up", "--name", "e2e", "-f", "-", "--detach", check=False, text=text)
    assert done.returncode == 1
    assert "manifests: 2 created, 2 refused" in done.stderr
    assert "left out" not in done.stderr
    refused = done.stderr[done.stderr.index("portway: refused") :].splitlines()
    assert refused[0] == "portway: refused, while everything else of these files is applied:"
    assert refused[1].startswith('  stdin:7:12: Service "BAD" is invalid: metadata.name: ')
    assert refused[2].startswith('  stdin:16:5: Service "steep" is invalid: [spec.ports[0].port: ')
    assert not refused[3:]
    assert "fleet e2e runs on; portway down --name e2e takes it down" in done.stderr
    fleet.kubectl("delete", "service/after", "configmap/before")


EXTRA = """
apiVersion: v1
kind: ConfigMap
metadata: {name: extra}
data: {a: "1"}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: extra}
spec:
  maxReplicas: 3
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
---
apiVersion: space.example/v1
kind: Rocket
metadata: {name: extra}
"""


def test_exec_runs_inside_and_gives_its_exit_code(fleet: Running) -> None:
    assert "172.18.0.12" in fleet.portway("exec", "node-2", "ip", "-br", "address").stdout
    assert "10.244." in fleet.portway("exec", f"pod/shop/{_a_pod(fleet, 'app=db')}", "ip", "-br", "address").stdout
    assert fleet.portway("exec", "outside", "sh", "-c", "exit 7", check=False).returncode == 7


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["trace", "nonsense"], 2, "'nonsense' is not a target; write node-1:32100"),
        (["trace", "node-1:80", "--from", "moon"], 2, "'moon' is not a place; write outside"),
        (["trace", "node-9:80"], 3, ""),
        (["exec", "pod/shop/none", "true"], 1, 'pods "none" not found'),
        (["exec", "node/node-9", "true"], 1, "no node 'node-9'; there are node-1, node-2, node-3"),
        (["ports", "-o", "yaml"], 2, "'yaml' is not one of 'table', 'json'"),
    ],
)
def test_mistakes_get_one_clear_line(fleet: Running, arguments: list[str], code: int, says: str) -> None:
    done = fleet.portway(*arguments, check=False)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_no_such_fleet(person: Person) -> None:
    done = portway(person, "status", "--name", "nobody-started-this", check=False)
    assert done.returncode == 1
    assert 'no fleet "nobody-started-this" is running' in done.stderr


def _listens(address: str, port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((address, port)) == 0
