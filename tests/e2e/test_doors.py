"""Doors in a fleet, by curl: Ingress with TLS, Gateway API, TCP by the kernel; traces; rollouts that nobody notices."""

import contextlib
import json
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from portway.cli.status import processes
from portway.rights import BITS
from portway.testing.doordocs import authorities, key_pair
from portway.testing.fates import REFUSED, Asked, Many
from portway.testing.question import Question
from tests.chance import is_unlikely
from tests.e2e.asking import NODES, prober
from tests.e2e.conftest import Running, portway
from tests.e2e.doors import WEB, key_secret, place, wait_for_doors
from tests.patience import PATIENCE, until
from tests.people import Person

CHAIN, KEY = key_pair("shop.example", "*.shop.example")
SAFE, SAFE_KEY = key_pair("safe.internal")
"""Of the pod that speaks TLS, and its own authority."""

SERVER = """
import http.server, ssl

class Safe(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"safe")

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/keys/tls.crt", "/keys/tls.key")
server = http.server.ThreadingHTTPServer(("", 8443), Safe)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
"""

BEHIND_TLS = """
apiVersion: v1
kind: Pod
metadata: {{name: safe, namespace: shop, labels: {{app: safe}}, annotations: {{portway.dev/runtime: process}}}}
spec:
  containers:
  - name: safe
    image: safe
    command: [{python}, -c, {server}]
    ports: [{{name: https, containerPort: 8443}}]
    volumeMounts: [{{name: keys, mountPath: /keys}}]
  volumes: [{{name: keys, secret: {{secretName: safe-keys}}}}]
---
apiVersion: v1
kind: Service
metadata: {{name: safe, namespace: shop}}
spec: {{selector: {{app: safe}}, ports: [{{name: https, port: 443, targetPort: https}}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {{name: safe, namespace: shop}}
spec:
  targetRefs: [{{group: "", kind: Service, name: safe, sectionName: https}}]
  validation:
    hostname: safe.internal
    caCertificateRefs: [{{group: "", kind: ConfigMap, name: safe-ca}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: safe, namespace: shop}}
spec:
  parentRefs: [{{name: door, sectionName: http}}]
  hostnames: [safe.example]
  rules: [{{backendRefs: [{{name: safe, port: 443}}]}}]
"""

DOORS = """
apiVersion: v1
kind: Service
metadata: {name: nobody, namespace: shop}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, namespace: shop}
spec:
  tls: [{hosts: [shop.example, "*.shop.example"], secretName: shop-tls}]
  rules:
  - host: shop.example
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}
      - {path: /nobody, pathType: Prefix, backend: {service: {name: nobody, port: {number: 80}}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: door, namespace: shop}
spec:
  gatewayClassName: portway
  allowedListeners: {namespaces: {from: Same}}
  tls:
    frontend:
      default: {}
      perPort:
      - {port: 9443, tls: {validation: {caCertificateRefs: [{group: "", kind: ConfigMap, name: people}]}}}
  listeners:
  - {name: ended, port: 8443, protocol: TLS, tls: {certificateRefs: [{name: shop-tls}]}}
  - {name: asking, port: 9443, protocol: HTTPS, tls: {certificateRefs: [{name: shop-tls}]}}
  - {name: http, port: 80, protocol: HTTP}
  - {name: tcp, port: 5432, protocol: TCP}
  - {name: shares, port: 5433, protocol: TCP}
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: more, namespace: shop}
spec:
  parentRef: {name: door}
  listeners:
  - {name: http, port: 8081, protocol: HTTP}
  - {name: late, port: 80, protocol: HTTP}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: more, namespace: shop}
spec:
  parentRefs: [{kind: ListenerSet, name: more}]
  hostnames: [more.example]
  rules:
  - filters: [{type: CORS, cors: {allowOrigins: ["https://*.example"], allowMethods: [PUT]}}]
    backendRefs: [{name: web, port: 80}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: api, namespace: shop}
spec:
  parentRefs: [{name: door, sectionName: http}, {name: door, sectionName: asking}]
  hostnames: [api.example, api.shop.example]
  rules:
  - matches: [{path: {type: PathPrefix, value: /v1}}]
    filters:
    - {type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}
    backendRefs: [{name: web, port: 80}]
  - matches: [{path: {type: PathPrefix, value: /old}}]
    filters: [{type: RequestRedirect, requestRedirect: {hostname: new.example, statusCode: 301}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: ended, namespace: shop}
spec:
  parentRefs: [{name: door, sectionName: ended}]
  hostnames: [raw.shop.example]
  rules: [{backendRefs: [{name: web, port: 80}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata: {name: tcp, namespace: shop}
spec:
  parentRefs: [{name: door, sectionName: tcp}]
  rules: [{backendRefs: [{name: web, port: 80}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata: {name: shares, namespace: shop}
spec:
  parentRefs: [{name: door, sectionName: shares}]
  rules:
  - backendRefs:
    - {name: web, port: 80, weight: 70}
    - {name: nobody, port: 80, weight: 20}
    - {name: gone, port: 80, weight: 10}
"""


@pytest.fixture(scope="module")
def doors(person: Person) -> Iterator[Running]:
    """Root's has whatever is installed, an ordinary user's the built-in router."""
    engine = ["--gateway-engine", "auto" if person.name == "root" else "builtin"]
    safe = BEHIND_TLS.format(python=json.dumps(person.python), server=json.dumps(SERVER))
    keys = (key_secret("shop-tls", CHAIN, KEY), key_secret("safe-keys", SAFE, SAFE_KEY))
    manifest = WEB + "\n---\n".join([*keys, json.dumps(authorities("people")), safe, DOORS])
    portway(person, "up", "--name", "doors", "--nodes", "2", "-f", "-", "--detach", *engine, text=manifest)
    fleet = Running(person, "doors")
    wait_for_doors(fleet)
    yield fleet
    portway(person, "down", "--name", "doors")


def curl(url: str, *more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["curl", "-sS", "--max-time", "60", "-w", "\n%{http_code} %{redirect_url}", *more, url],
        capture_output=True,
        text=True,
        timeout=120,
    )


def answer(url: str, *more: str) -> tuple[int, str]:
    """Status and body, or of a redirect its Location."""
    done = curl(url, *more)
    assert done.returncode == 0, done.stderr
    body, _, last = done.stdout.rpartition("\n")
    code, _, location = last.partition(" ")
    return int(code), location or body


def test_an_ingress_leads_by_host_and_path(doors: Running) -> None:
    at = place(doors, "portway-ingress", 80)
    code, body = answer(f"http://{at}/cart?x=1", "-H", "Host: shop.example")
    said = json.loads(body)
    assert (code, said["path"], said["namespace"]) == (200, "/cart?x=1", "shop")
    assert said["headers"]["x-forwarded-host"] == "shop.example"
    assert said["headers"]["x-forwarded-for"] == "172.18.0.1", "the client's address is kept"
    assert answer(f"http://{at}/nobody", "-H", "Host: shop.example")[0] == 503
    assert answer(f"http://{at}/", "-H", "Host: other.example")[0] == 404


def test_tls_by_the_name_that_is_asked_for(doors: Running, tmp_path: Path) -> None:
    address, _, port = place(doors, "portway-ingress", 443).rpartition(":")
    authority = tmp_path / "ca.pem"
    authority.write_text(CHAIN)
    trusting = ["--cacert", str(authority), "--resolve", f"shop.example:{port}:{address}"]
    code, body = answer(f"https://shop.example:{port}/", *trusting)
    assert (code, json.loads(body)["headers"]["x-forwarded-proto"]) == (200, "https")
    assert (
        curl(
            f"https://other.example:{port}/", "--cacert", str(authority), "--resolve", f"other.example:{port}:{address}"
        ).returncode
        == 60
    )


def trusting(doors: Running, folder: Path, host: str, port: int) -> tuple[str, list[str]]:
    """A URL at a port of the Gateway's door, and what curl needs for it."""
    address, _, here = place(doors, "door-portway", port).rpartition(":")
    authority = folder / "ca.pem"
    authority.write_text(CHAIN)
    return f"https://{host}:{here}", ["--cacert", str(authority), "--resolve", f"{host}:{here}:{address}"]


def test_tls_ends_at_the_door_and_pods_get_what_was_inside(doors: Running, tmp_path: Path) -> None:
    url, options = trusting(doors, tmp_path, "raw.shop.example", 8443)
    code, body = answer(f"{url}/inside", *options)
    said = json.loads(body)
    assert (code, said["path"], "x-forwarded-proto" in said["headers"]) == (200, "/inside", False)
    record = logged(doors, lambda record: record.get("tls", {}).get("server_name") == "raw.shop.example")
    assert (record["tls"]["route"], record["service"]["name"]) == ("TLSRoute shop/ended rules[0]", "web")
    assert (record["backend"]["pod"], record["backend"]["node"]) == (said["pod"], said["node"])
    assert record["bytes_in"] > len("GET /inside HTTP/1.1") and record["bytes_out"] > len(body)


def test_clients_show_certificates(doors: Running, tmp_path: Path) -> None:
    url, options = trusting(doors, tmp_path, "api.shop.example", 9443)
    shown = tmp_path / "client.pem"
    for name, status in (("people", 200), ("others", 0)):
        shown.write_text("".join(key_pair(name)))
        done = curl(f"{url}/v1/x", *options, "--cert", str(shown))
        assert (done.stdout.rpartition("\n")[2].strip(), done.returncode == 0) == (f"{status:03}", status == 200)
    assert curl(f"{url}/v1/x", *options).returncode != 0
    told = json.loads(doors.portway("trace", "https://api.shop.example:9443/v1", "-o", "json").stdout)
    assert told["request"]["client_certificate"]


def test_a_gateway_rewrites_redirects_and_refuses(doors: Running) -> None:
    at = place(doors, "door-portway", 80)
    code, body = answer(f"http://{at}/v1/cart", "-H", "Host: api.example")
    assert (code, json.loads(body)["path"]) == (200, "/cart")
    assert answer(f"http://{at}/old/x", "-H", "Host: api.example") == (301, "http://new.example/old/x")
    assert answer(f"http://{at}/other", "-H", "Host: api.example")[0] == 404
    told = json.loads(doors.portway("trace", f"http://{at}/v1", "-H", "Host: api.example", "-o", "json").stdout)
    assert (told["request"]["door"], told["connection"]["code"]) == ("gateway/shop/door", "FORWARDED")
    assert not told["connection"]["undeclared"]


def test_a_backend_tls_policy_is_carried_out_and_tells_how_it_is(doors: Running) -> None:
    """Without the authorities that it names, with the pod's own, with others."""
    at = place(doors, "door-portway", 80)
    doors.kubectl("-n", "shop", "wait", "--timeout=60s", "--for=condition=Ready", "pod/safe")
    none = [("False", "NoValidCACertificate"), ("False", "InvalidCACertificateRef")]
    assert conditions_of_policy(doors, "InvalidCACertificateRef") == none
    until_answered(at, "/none", {500})
    doors.kubectl("apply", "-f", "-", text=json.dumps(authorities("safe-ca", CHAIN, SAFE)))
    assert until_answered(at, "/own", {200}) == "safe"
    assert logged(doors, of_request("/own"))["backend"]["pod"] == "safe"
    assert conditions_of_policy(doors, "ResolvedRefs") == [("True", "Accepted"), ("True", "ResolvedRefs")]
    doors.kubectl("apply", "-f", "-", text=json.dumps(authorities("safe-ca", CHAIN)))
    until_answered(at, "/others", {502, 503})
    record = logged(doors, of_request("/others", "BACKEND_TLS_FAILED"))
    assert record["service"] == {"namespace": "shop", "name": "safe", "port_name": "https", "port": 443}


def conditions_of_policy(fleet: Running, resolved: str) -> list[tuple[str, str]]:
    """Its Accepted and ResolvedRefs in the Gateway's name, once this is the reason of the latter."""
    reason = "{.status.ancestors[0].conditions[?(@.type=='ResolvedRefs')].reason}"
    wanted = f"--for=jsonpath={reason}={resolved}"
    told = fleet.json("-n", "shop", "wait", "--timeout=60s", wanted, "backendtlspolicy/safe")
    (ours,) = told["status"]["ancestors"]
    assert (ours["ancestorRef"]["kind"], ours["ancestorRef"]["name"]) == ("Gateway", "door")
    said = {condition["type"]: (condition["status"], condition["reason"]) for condition in ours["conditions"]}
    return [said["Accepted"], said["ResolvedRefs"]]


def until_answered(at: str, path: str, wanted: set[int]) -> str:
    """What the route with the policy answers, as soon as that has one of these statuses."""
    until = time.monotonic() + 60
    while True:
        code, body = answer(f"http://{at}{path}", "-H", "Host: safe.example")
        if code in wanted:
            return body
        assert time.monotonic() < until, (code, body)
        time.sleep(0.05)


def test_a_listener_set_has_a_port_of_the_gateways_door(doors: Running) -> None:
    at = place(doors, "door-portway", 8081)
    said = ["-H", "Host: more.example", "-H", "Origin: https://shop.example"]
    assert answer(f"http://{at}/", *said)[0] == 200
    assert answer(f"http://{at}/", *said, "-X", "OPTIONS", "-H", "Access-Control-Request-Method: PUT")[0] == 204
    assert answer(f"http://{place(doors, 'door-portway', 80)}/", *said)[0] == 404
    conflicted = "{.status.listeners[*].conditions[?(@.type=='Conflicted')].reason}"
    for words, shown in (
        (("lset", "more", "--no-headers"), "more True True"),
        (("lset", "more", "-o", f"jsonpath={conflicted}"), "NoConflicts HostnameConflict"),
        (("gtw", "door", "-o", "jsonpath={.status.attachedListenerSets}"), "1"),
    ):
        until(lambda w=words, s=shown: _shows(doors, *w).startswith(s), shown)  # type: ignore[misc]


def _shows(fleet: Running, *words: str) -> str:
    """What kubectl gets in the namespace, single-spaced."""
    return " ".join(fleet.kubectl("-n", "shop", "get", *words).stdout.split())


def test_a_tcp_listener_leads_to_every_pod(doors: Running) -> None:
    at = place(doors, "door-portway", 5432)
    pods = set()
    for _ in range(40):
        with urllib.request.urlopen(f"http://{at}/", timeout=60) as reply:
            pods.add(json.load(reply)["pod"])
    assert len(pods) == 2


def test_weights_of_a_tcp_route_are_shares_of_connections(doors: Running) -> None:
    told: dict[str, Any] = {}
    for _ in range(100):
        told = json.loads(doors.portway("trace", "svc/shop/door-portway:5433", "-o", "json").stdout)
        if told["refused"]:
            break
    assert (told["shares"], told["refused"]) == ([0.35, 0.35], 0.3)
    probing = ("trace", "svc/shop/door-portway:5433", "--probe")
    until(lambda: doors.portway(*probing, check=False).stdout.endswith("agrees\n"), "a packet agrees")
    question = Question("outside", told["packet"]["destination"], 5433, "TCP")
    with prober(doors.person, doors.name, NODES[:2]) as asking:
        (fates,) = asking.fates(Many((Asked(question, 1000),), patience=PATIENCE))
    assert fates.keys() == {REFUSED, *(backend["target"] for backend in told["backends"])}
    assert not is_unlikely(fates.pop(REFUSED), 1000, 0.3)
    assert not [pod for pod, number in fates.items() if is_unlikely(number, 1000, 0.35)]


@pytest.mark.parametrize(
    ("url", "code", "ends"),
    [
        ("http://shop.example/cart", "ROUTED", 0),
        ("https://shop.example/", "ROUTED", 0),
        ("http://api.example/v1", "ROUTED", 0),
        ("http://more.example:8081/", "ROUTED", 0),
        ("http://shop.example/nobody", "NO_ENDPOINTS", 3),
        ("http://nobody.example/", "NO_HOST", 3),
        ("http://shop.example:81/", "NO_DOOR", 3),
    ],
)
def test_trace_follows_a_url(doors: Running, url: str, code: str, ends: int) -> None:
    done = doors.portway("trace", url, "-o", "json", check=False)
    assert done.stdout, done.stderr
    told = json.loads(done.stdout)
    assert (told["request"]["code"], done.returncode) == (code, ends)
    if ends == 0:
        assert told["connection"]["code"] == "FORWARDED"
        assert len(told["request"]["shares"][0]["endpoints"]) == 2


def test_the_log_of_a_door_names_pods_and_nodes(doors: Running) -> None:
    """A pod that comes by the Service is named as in a node's log, and so is the pod that answers."""
    visitor, _ = sorted(doors.json("get", "pods", "-n", "shop", "-l", "app=web")["items"], key=pod_name)
    service = doors.json("get", "service", "-n", "portway-system", "portway-ingress")
    inside, outside = service["spec"]["clusterIP"], service["status"]["loadBalancer"]["ingress"][0]["ip"]
    places = {f"pod/shop/{pod_name(visitor)}": "/from-a-pod", "node-1": "/from-a-node", "outside": "/from-outside"}
    for where, path in places.items():
        address = outside if where == "outside" else inside
        doors.portway("exec", where, "--", "curl", "-sS", "-H", "Host: shop.example", f"http://{address}{path}")
    found = {path: logged(doors, of_request(path)) for path in places.values()}
    client = found["/from-a-pod"]["client"]
    node = visitor["spec"]["nodeName"]
    assert client.pop("port")
    assert client == {
        "ip": visitor["status"]["podIP"], "kind": "pod", "namespace": "shop", "pod": pod_name(visitor), "node": node,
        "zone": node.replace("node", "zone"),
    }  # fmt: skip
    assert {key: found["/from-a-node"]["client"][key] for key in ("kind", "node")} == {"kind": "node", "node": "node-1"}
    assert found["/from-outside"]["client"]["kind"] == "external", "who came from outside is no node, behind Local"
    for record in found.values():
        assert record["backend"]["kind"] == "pod"
        assert record["topology"] == ("local" if record["backend"]["node"] == record["node"] else "remote")


def pod_name(pod: dict[str, Any]) -> str:
    """Of its document."""
    return str(pod["metadata"]["name"])


def logged(fleet: Running, what: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The last record of this kind, once it is written."""

    def found() -> list[dict[str, Any]]:
        lines = fleet.portway("logs", "-A", "-o", "json").stdout.splitlines()
        return [record for record in map(json.loads, lines) if what(record)]

    return until(found, "it is in the log")[-1]


def of_request(path: str, reason: str = "ROUTED") -> Callable[[dict[str, Any]], bool]:
    """Records of requests for this path with this outcome."""
    return lambda record: record["reason"] == reason and record.get("http", {}).get("path") == path


def test_ports_shows_doors(doors: Running) -> None:
    shown = doors.portway("ports", "-A").stdout
    assert "gateway/shop/door" in shown
    assert any(line.split()[:1] == ["ingress"] and "443" in line for line in shown.splitlines())


def test_roots_fleet_has_no_more_of_roots_rights_than_it_needs(doors: Running) -> None:
    if doors.person.name != "root":
        pytest.skip("a rootless fleet has none of the machine's rights")
    kept = {name: effective for name, _, effective in rights_of_all(doors)}
    bind = 1 << BITS["NET_BIND_SERVICE"]
    network = 1 << BITS["NET_ADMIN"]
    wanted = {"apiserver": 0, "controllers": 0, "nameserver": 0, "relay": bind, "dialer": bind | network}
    wanted["node-1-agent"] = bind | network | 1 << BITS["NET_RAW"]
    assert {name: kept[name] for name in wanted} == wanted
    if shutil.which("haproxy"):
        until(lambda: _workers_have_none(doors), "each of HAProxy's masters has workers, who are not root")


def _workers_have_none(fleet: Running) -> bool:
    """One a master once no reload is under way, whose old worker still ends what it has begun; none ever has rights."""
    engines = [(user == "0", effective) for name, user, effective in rights_of_all(fleet) if name == "haproxy"]
    masters = [effective for is_root, effective in engines if is_root]
    workers = [effective for is_root, effective in engines if not is_root]
    assert not any(workers) and not any(effective >> _SYS_ADMIN & 1 for effective in masters)
    return len(workers) == len(masters) > 0


_SYS_ADMIN = 21
"""linux/capability.h."""


def rights_of_all(fleet: Running) -> list[tuple[str, str, int]]:
    """Name, effective user and capabilities of each process that does not end meanwhile."""
    found = []
    for process in everybody(fleet):
        with contextlib.suppress(OSError):
            found.append((process["name"], *rights(process["pid"])))
    return found


def rights(pid: int) -> tuple[str, int]:
    """The effective user and capabilities of a process."""
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return status["Uid"].split()[1], int(status["CapEff"], 16)


def everybody(fleet: Running) -> list[dict[str, Any]]:
    """All processes of a fleet, the programs of its pods too."""
    return processes(json.loads((fleet.folder / "fleet.json").read_text())["keeper_pid"])


def test_what_an_engine_writes_is_the_pods_and_goes_with_it(doors: Running) -> None:
    """Keys among it. The door's process sees it and this machine never does: nothing is left, however a door ends."""
    started = [process["pid"] for process in everybody(doors) if _runs_a_door(process["pid"])]
    assert len(started) >= 2, "one of the Ingresses', one of the Gateway's"
    for pid in started:
        held = list(Path(f"/proc/{pid}/root/run/portway-door").iterdir())
        assert [folder.name.rpartition("-")[0] for folder in held] == ["portway-gateway"]
        assert not (Path(tempfile.gettempdir()) / held[0].name).exists()
    assert not Path("/run/portway-door").exists()


def _runs_a_door(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False  # it has ended meanwhile
    return words[1:4] == [b"-m", b"portway", b"gateway"]


def test_a_rolling_update_of_the_pods_behind_a_route_fails_no_request(doors: Running) -> None:
    at = place(doors, "portway-ingress", 80)
    seen: Counter[Any] = Counter()
    pods: set[str] = set()
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                request = urllib.request.Request(f"http://{at}/", headers={"Host": "shop.example"})
                with urllib.request.urlopen(request, timeout=60) as reply:
                    pods.add(json.load(reply)["pod"])
                    seen[reply.status] += 1
            except OSError as error:
                seen[repr(error)] += 1

    clients = [threading.Thread(target=ask) for _ in range(3)]
    for client in clients:
        client.start()
    try:
        doors.kubectl("-n", "shop", "rollout", "restart", "deployment/web")
        doors.kubectl("-n", "shop", "rollout", "status", "deployment/web", "--timeout=120s")
        reached = seen[200]
        deadline = time.monotonic() + PATIENCE
        while seen[200] < reached + 50 and time.monotonic() < deadline:
            over.wait(0.05)
    finally:
        over.set()
        for client in clients:
            client.join()
    assert set(seen) == {200}, seen
    assert len(pods) >= 4, pods
