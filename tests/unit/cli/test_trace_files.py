"""`portway trace -f`: the cluster that files would make, why a packet ends, drawings."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from portway.analysis import examples
from portway.cli.audit import command as audit
from portway.cli.diff import command as diff
from portway.cli.snapshot import command as snapshot
from portway.cli.trace import command

NAMED = "{name: http, port: 80, targetPort: http, nodePort: 30080}"


def _files(tmp_path: Path, port: str = "{name: http, containerPort: 8080}", more: str = "") -> str:
    text = examples.together(examples.service(NAMED, more=f"type: NodePort\n{more}"), examples.workload(port))
    (tmp_path / "shop.yaml").write_text(text)
    return str(tmp_path / "shop.yaml")


def _trace(*args: str) -> Result:
    return CliRunner().invoke(command, list(args))


def test_a_packet_arrives_and_what_was_assumed_is_told(tmp_path: Path) -> None:
    run = _trace("-f", _files(tmp_path), "node-1:30080")
    assert run.exit_code == 0
    assert "[node-1 172.18.0.11:30080] → [default/shop:80 http] → [shop-1 10.244.1.2:8080]" in run.stdout
    assert "assumes  ASSUME_NODES" in run.stdout


@pytest.mark.parametrize("port", ["null", "{}", "{name: http}"])
def test_a_port_without_a_number_is_nothing(tmp_path: Path, port: str) -> None:
    run = _trace("-f", _files(tmp_path, port), "node-1:30080")
    assert run.exit_code == 3 and "ends     NO_ENDPOINTS" in run.stdout


def test_where_it_breaks_has_a_place_and_a_fix(tmp_path: Path) -> None:
    run = _trace("-f", _files(tmp_path, "{name: web, containerPort: 8080}"), "node-1:30080", "-o", "json")
    assert run.exit_code == 3
    document = json.loads(run.stdout)
    (cause,) = document["because"]
    assert (document["code"], cause["code"], cause["where"]["line"]) == ("NO_ENDPOINTS", "PW-W01", 8)
    assert cause["fix"]["text"] == "targetPort: web"


@pytest.mark.parametrize(
    ("target", "origin", "code"),
    [
        ("shop:80", "pod/default/shop-1", "FORWARDED"),
        ("shop.default.svc.cluster.local:80", "node/node-1", "FORWARDED"),
        ("shop.other:80", "pod/default/shop-1", "DNS_WRONG_NAMESPACE"),
        ("shpo.default:80", "pod/default/shop-1", "SVC_NOT_FOUND"),
        ("node-1:30080", "203.0.113.0/24", "FORWARDED"),
        ("node-1:30081", "outside", "NODEPORT_UNSET"),
        ("nowhere:80", "outside", "NODE_NOT_FOUND"),
    ],
)
def test_from_any_client_to_any_frontend(tmp_path: Path, target: str, origin: str, code: str) -> None:
    run = _trace("-f", _files(tmp_path), target, "--from", origin, "-o", "json")
    assert json.loads(run.stdout)["code"] == code


def test_a_load_balancer_and_an_ingress_are_followed(tmp_path: Path) -> None:
    files = _files(tmp_path).replace("shop.yaml", "")
    balanced = examples.service("{port: 80, targetPort: 8080}", name="front", more="type: LoadBalancer")
    door = examples.ingress(examples.backend("number: 80"), more="ingressClassName: portway")
    (tmp_path / "more.yaml").write_text(examples.together(balanced, door))
    assert _trace("-f", files, "svc/default/front:80").exit_code == 0
    url = _trace("-f", files, "http://shop.example/cart")
    assert "[Ingress default/shop" in url.stdout


POOL = "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: home, namespace: metallb-system}\n"
FEW = POOL + "spec: {addresses: [192.0.2.240-192.0.2.241]}\n"
SAID = POOL.replace("IPAddressPool", "L2Advertisement")
ROUTED = POOL.replace("IPAddressPool", "BGPAdvertisement")
ROUTER = POOL.replace("IPAddressPool", "BGPPeer").replace("v1beta1", "v1beta2") + (
    "spec: {myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.1}\n"
)
NODE = "apiVersion: v1\nkind: Node\nmetadata: {name: only, labels: {LABEL: ''}}\n" + (
    "status: {addresses: [{type: InternalIP, address: 172.18.0.11}]}\n"
)
CLOUDY = NODE.replace("LABEL", "a").replace("status:", "spec: {providerID: 'openstack:///1'}\nstatus:")
LEFT_OUT = NODE.replace("LABEL", "node.kubernetes.io/exclude-from-external-load-balancers")


@pytest.mark.parametrize(
    ("objects", "more", "code", "words"),
    [
        ([], "", "FORWARDED", "192.0.2.1"),
        ([FEW, SAID], "", "FORWARDED", "192.0.2.240"),
        ([FEW], "", "LB_NOT_ADVERTISED", "no L2Advertisement is for IPAddressPool home"),
        ([FEW, SAID + "spec: {ipAddressPools: [other]}\n"], "", "LB_NOT_ADVERTISED", "no L2Advertisement is for"),
        # nodes are only imagined: any may be meant
        ([FEW, SAID + "spec: {nodeSelectors: [{matchLabels: {rack: a}}]}\n"], "", "FORWARDED", "192.0.2.240"),
        ([FEW, SAID, LEFT_OUT], "", "LB_NODES_EXCLUDED", "every available node (only)"),
        ([FEW, SAID], "loadBalancerIP: 192.0.2.9", "LB_ADDRESS_OUTSIDE_POOLS", "192.0.2.240-192.0.2.241"),
        ([FEW, SAID], "loadBalancerClass: example.com/other", "LB_CLASS_FOREIGN", "is not ours"),
        ([FEW, ROUTED, ROUTER], "", "FORWARDED", "LB_BGP_REHASHES"),
        ([FEW, ROUTED], "", "LB_NOT_ADVERTISED", "create one"),
        ([FEW, SAID, CLOUDY], "", "FORWARDED", "LB_CLOUD_NODES: only is a machine of openstack"),
        ([FEW, SAID], "externalTrafficPolicy: Local", "FORWARDED", "192.0.2.240"),
        ([FEW, SAID, "local"], "externalTrafficPolicy: Local", "LB_NO_LOCAL_ENDPOINT", "no node that may announce it"),
    ],
)
def test_a_load_balancer_with_pools_of_its_own(
    tmp_path: Path, objects: list[str], more: str, code: str, words: str
) -> None:
    """The ways in which a LoadBalancer fails are told by its manifests, where they are in them."""
    front = examples.service("{port: 80, targetPort: 8080}", name="front", more=f"type: LoadBalancer\n{more}")
    pods = examples.workload(more="replicas: 0" if objects[-1:] == ["local"] else "replicas: 2")
    texts = [one for one in objects if one != "local"]
    (tmp_path / "all.yaml").write_text(examples.together(front, pods, *texts))
    run = _trace("-f", str(tmp_path), "svc/default/front:80")
    assert f"ends     {code}: " in run.stdout and words in run.stdout, run.output


def test_a_snapshot_says_who_answers(tmp_path: Path) -> None:
    """As MetalLB's speakers tell it; without a word of theirs it is the first node that may."""
    front = examples.service("{port: 80}", name="front", more="type: LoadBalancer\nclusterIP: 10.96.0.9")
    held = "status: {loadBalancer: {ingress: [{ip: 192.0.2.240}]}}\n"
    nodes = [NODE.replace("only", f"node-{n}").replace("0.11", f"0.1{n}").replace("LABEL", "a") for n in (1, 2)]
    told = POOL.replace("IPAddressPool", "ServiceL2Status") + (
        "status: {node: NODE, serviceName: front, serviceNamespace: default}\n"
    )
    for node in ("node-1", "node-2"):
        documents = examples.together(front + held, FEW, SAID, *nodes, told.replace("NODE", node))
        (tmp_path / "all.yaml").write_text(documents)
        run = CliRunner().invoke(snapshot, ["-f", str(tmp_path / "all.yaml")])
        (tmp_path / "cluster.json").write_text(run.stdout)
        said = _trace("-f", str(tmp_path / "cluster.json"), "192.0.2.240:80")
        assert f"[{node} 192.0.2.240:80]" in said.stdout, said.output


@pytest.mark.parametrize("asked", ["trace", "audit", "diff"])
def test_what_an_api_server_would_refuse_is_left_out_and_named(tmp_path: Path, asked: str) -> None:
    one, two = (
        examples.service(NAMED, more="type: NodePort"),
        examples.service(NAMED, name="two", more="type: NodePort"),
    )
    bad = examples.ingress(examples.backend("number: 80", path="cart"))
    file = tmp_path / "all.yaml"
    file.write_text(examples.together(one, two, examples.workload(), bad))
    arguments = {"trace": ["-f", str(file), "node-1:30080"], "audit": ["-f", str(file)], "diff": [str(file), str(file)]}
    run = CliRunner().invoke({"trace": command, "audit": audit, "diff": diff}[asked], arguments[asked])
    service, door = run.stderr.splitlines()[:2]
    assert service.startswith(f"portway: {file}:10:") and door.startswith(f"portway: {file}:"), run.stderr
    refused = "left out, the API server would refuse it: "
    assert f'{refused}Service "two" is invalid: spec.ports[0].nodePort: Invalid value: 30080' in service
    assert f'{refused}Ingress.networking.k8s.io "shop" is invalid: spec.rules[0].http.paths[0].path' in door
    assert "left out" not in run.stdout


LEASE = """\
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata:
  {name: of-OF, namespace: kube-system, labels: {portway.dev/announcer: OF}, annotations: {portway.dev/NOTE: TEXT}}
spec: {holderIdentity: HOLDER}
"""
TWICE = json.dumps('[{"code": "LB_TWO_ANSWER", "message": "another has it", "address": "192.0.2.240"}]')


@pytest.mark.parametrize(
    ("holder", "end", "note"),
    [
        ("node-2", "FORWARDED: ", "LB_TWO_ANSWER: node-2: another has it"),
        ("''", "LB_NOT_ANNOUNCED: ", "its Lease is vacant"),
    ],
)
def test_leases_of_our_announcers_are_taken_at_their_word(tmp_path: Path, holder: str, end: str, note: str) -> None:
    leases = [
        LEASE.replace("OF", "address").replace("NOTE", "announced-address")
        .replace("TEXT", "192.0.2.240").replace("HOLDER", holder),
        LEASE.replace("OF", "node").replace("NOTE", "announcement-doubts")
        .replace("TEXT", TWICE).replace("HOLDER", "node-2"),
    ]  # fmt: skip
    said = _trace("-f", _snapshot(tmp_path, *leases), "192.0.2.240:80").stdout
    assert f"ends     {end}" in said and note in said


def _snapshot(folder: Path, *leases: str) -> str:
    """Of a cluster with two nodes, a LoadBalancer with an address and these Leases, at five past five."""
    front = examples.service("{port: 80}", name="front", more="type: LoadBalancer\nclusterIP: 10.96.0.9")
    held = "status: {loadBalancer: {ingress: [{ip: 192.0.2.240}]}}\n"
    endpoints = (
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\n"
        "metadata: {name: front, labels: {kubernetes.io/service-name: front}}\n"
        "ports: [{port: 80, protocol: TCP, name: ''}]\nendpoints: [{addresses: [10.244.1.2], nodeName: node-1}]\n"
    )
    nodes = [NODE.replace("only", f"node-{n}").replace("0.11", f"0.1{n}").replace("LABEL", "a") for n in (1, 2)]
    (folder / "all.yaml").write_text(examples.together(front + held, FEW, SAID, endpoints, *nodes, *leases))
    taken = json.loads(CliRunner().invoke(snapshot, ["-f", str(folder / "all.yaml")]).stdout)
    taken["metadata"]["creationTimestamp"] = "2026-05-05T05:00:05Z"
    (folder / "cluster.json").write_text(json.dumps(taken))
    return str(folder / "cluster.json")


@pytest.mark.parametrize(
    ("acquired", "transitions", "note"),
    [
        ("2026-05-05T04:59:24.500000Z", 1, "node-2 has it since 40 s ago"),
        ("2026-05-05T05:00:06.000001Z", 1, "node-2 has it since 0 s ago"),  # its clock is ahead
        ("2026-05-05T04:59:25.000001Z", 0, ""),
        ("2026-05-05T04:50:00.000001Z", 1, ""),
        ("2026-05-05T04:59:25", 1, ""),
        ("yesterday", 1, ""),
    ],
)
def test_a_snapshot_says_what_had_moved_when_it_was_taken(
    tmp_path: Path, acquired: str, transitions: int, note: str
) -> None:
    since = f"node-2, acquireTime: '{acquired}', leaseTransitions: {transitions}"
    lease = LEASE.replace("OF", "address").replace("NOTE", "announced-address").replace("TEXT", "192.0.2.240")
    said = _trace("-f", _snapshot(tmp_path, lease.replace("HOLDER", since)), "192.0.2.240:80").stdout
    assert "ends     FORWARDED: " in said
    assert [
        line.partition("LB_MOVED_LATELY: ")[2].partition(" and ")[0] for line in said.splitlines() if "LB_MOVED" in line
    ] == ([note] if note else []), said


TLS = "tls: [{hosts: [shop.example], secretName: shop-tls}]"
SECRET = """\
apiVersion: v1
kind: Secret
metadata: {name: shop-tls}
type: kubernetes.io/tls
data: {tls.crt: "", tls.key: ""}
"""
GATEWAY = """\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: shop}
spec:
  gatewayClassName: any
  listeners:
  - {name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: shop-tls}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: shop}]
  rules: [{backendRefs: [{name: shop, port: 80}]}]
"""


ASKING = GATEWAY.replace(
    "  listeners:\n",
    "  tls: {frontend: {default: {validation: {caCertificateRefs: [{group: '', kind: ConfigMap, name: people}]}}}}\n"
    "  listeners:\n",
)


@pytest.mark.parametrize(
    ("door", "secret", "whole", "code"),
    [
        ("asking", "", False, "ROUTED"),
        ("asking", SECRET, True, "NO_DOOR"),
        ("ingress", "", False, "ROUTED"),
        ("gateway", "", False, "ROUTED"),
        ("ingress", SECRET, True, "NO_ENDPOINTS"),  # a whole cluster's pods are its own: here are none
        ("gateway", SECRET, True, "NO_ENDPOINTS"),
        ("ingress", "", True, "NO_DOOR"),
        ("gateway", "", True, "NO_DOOR"),
    ],
)
def test_certificates_that_an_input_does_not_have(
    tmp_path: Path, door: str, secret: str, whole: bool, code: str
) -> None:
    """Manifests seldom hold Secrets and snapshots no values: they are taken for good, and that is said. A whole
    cluster's Secret that is not there is missing.
    """
    files = _files(tmp_path)
    gateway = ASKING if door == "asking" else GATEWAY
    text = examples.ingress(examples.backend("number: 80"), more=TLS) if door == "ingress" else gateway
    (tmp_path / "door.yaml").write_text(examples.together(text, *([secret] if secret else [])))
    if whole:
        kept = CliRunner().invoke(snapshot, ["-f", str(tmp_path)]).stdout
        (tmp_path / "monday.json").write_text(kept)
        files = str(tmp_path / "monday.json")
    run = _trace("-f", files if whole else str(tmp_path), "https://shop.example/cart", "-o", "json")
    document = json.loads(run.stdout)
    assert document["request"]["code"] == code
    assert ("ASSUME_TLS_SECRETS" in document["assumptions"]) == (bool(secret) or not whole)
    assert document["request"]["client_certificate"] == (door == "asking" and code == "ROUTED")


@pytest.mark.parametrize(("form", "begins"), [("mermaid", "flowchart LR"), ("dot", "digraph trace {")])
def test_drawings(tmp_path: Path, form: str, begins: str) -> None:
    run = _trace("-f", _files(tmp_path), "node-1:30080", "-o", form)
    assert run.stdout.startswith(begins) and "shop-1" in run.stdout


def test_wrong_usage(tmp_path: Path) -> None:
    files = _files(tmp_path)
    assert "--probe sends a packet in a fleet" in _trace("-f", files, "node-1:30080", "--probe").stderr
    assert "is not a target" in _trace("-f", files, "node-1").stderr
    assert "is not a place" in _trace("-f", files, "node-1:1", "--from", "x/y/z").stderr


POLICY = """\
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: shop}
spec:
  targetRefs: [{group: "", kind: Service, name: shop}]
  validation: {hostname: shop.example, caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]}
"""
CA = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ca}\ndata: {ca.crt: none}\n"


@pytest.mark.parametrize(
    ("authority", "code", "words"),
    [
        ("", "ROUTED", "ASSUME_TLS_SECRETS"),
        (CA, "BACKEND_INVALID", "BackendTLSPolicy default/shop: ConfigMap default/ca: its ca.crt is not a PEM"),
    ],
)
def test_a_policy_for_backends(tmp_path: Path, authority: str, code: str, words: str) -> None:
    gateway = GATEWAY.replace("443, protocol: HTTPS, tls: {certificateRefs: [{name: shop-tls}]}", "80, protocol: HTTP")
    service = examples.service("{port: 80, targetPort: 8080}", name="shop")
    documents = examples.together(examples.workload(), service, gateway, POLICY, *([authority] if authority else []))
    (tmp_path / "all.yaml").write_text(documents)
    run = _trace("-f", str(tmp_path), "http://shop.example/")
    assert f"ends     {code}: " in run.stdout and words in run.stdout, run.output
