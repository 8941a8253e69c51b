"""LoadBalancers' addresses as BGP routes: ExaBGP in the nodes, FRR as the router, which nobody here wrote."""

import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from portway.testing.netns import Namespace, Unavailable
from tests.contract.lan import NODES, Lan, lan
from tests.patience import PATIENCE

BGPD = Path("/usr/lib/frr/bgpd")
ROUTER = "192.0.2.11"
"""The first client is the router here."""
FRR = """
router bgp 64513
 bgp router-id ROUTER
 no bgp ebgp-requires-policy
 neighbor 192.0.2.1 remote-as 64512
 neighbor 192.0.2.2 remote-as 64512
 neighbor 192.0.2.3 remote-as 64512
 address-family ipv6 unicast
  neighbor 192.0.2.1 activate
  neighbor 192.0.2.2 activate
  neighbor 192.0.2.3 activate
"""
GROUP = "/apis/metallb.io"
GOOD = {"myASN": 64512, "peerASN": 64513, "peerAddress": ROUTER, "holdTime": "9s"}
"""The spec of a BGPPeer that the router agrees to."""
ADDRESS, SIX = "192.0.2.150", "2001:db8::150"


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lan]:
    if not BGPD.exists() or not shutil.which("exabgp", path=f"{os.environ['PATH']}:/usr/sbin"):
        pytest.skip("needs FRR's bgpd and exabgp (Debian: frr, exabgp)")
    if os.geteuid():
        pytest.skip("FRR's bgpd wants to be root")
    try:
        with lan(tmp_path_factory.mktemp("bgp"), user=None) as made:
            yield made
    except Unavailable as reason:
        pytest.skip(f"no network namespaces here: {reason}")


@pytest.fixture(scope="module")
def router(net: Lan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A router that every node is to tell; where vtysh finds it."""
    folder = tmp_path_factory.mktemp("frr")
    (folder / "bgpd.conf").write_text(FRR.replace("ROUTER", ROUTER))
    net.world.spawn(net.places["c1"], _bgpd, folder)
    base = f"{GROUP}/v1beta2/namespaces/metallb-system/bgppeers"
    assert net.http.post(base, {"metadata": {"name": "router"}, "spec": GOOD}).code == 201
    advertised = f"{GROUP}/v1beta1/namespaces/metallb-system/bgpadvertisements"
    assert net.http.post(advertised, {"metadata": {"name": "all"}, "spec": {"communities": ["64512:7"]}}).code == 201
    return folder


def _bgpd(folder: Path) -> None:
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    options = ["-Z", "-S", "-f", f"{folder}/bgpd.conf", "-i", f"{folder}/pid", "--vty_socket", str(folder), "-P", "0"]
    os.execv(BGPD, [str(BGPD), *options])


def told(router: Path, family: str = "ipv4") -> dict[str, set[str]]:
    """The router's routes: next hops by prefix."""
    done = subprocess.run(
        ["vtysh", "--vty_socket", str(router), "-c", f"show bgp {family} unicast json"], capture_output=True, text=True
    )
    if done.returncode or not done.stdout.strip().startswith("{"):
        return {}
    routes: dict[str, list[dict[str, Any]]] = json.loads(done.stdout).get("routes", {})
    hops = {prefix: {hop["ip"] for path in paths for hop in path["nexthops"]} for prefix, paths in routes.items()}
    return {prefix: {ip for ip in ips if not ip.startswith("fe80")} for prefix, ips in hops.items()}


def test_every_node_tells_the_router_and_takes_back_what_is_gone(net: Lan, router: Path) -> None:
    net.balance("routed", ADDRESS, SIX)
    every = {f"192.0.2.{k}" for k in (1, 2, 3)}
    net.until(lambda: told(router).get(f"{ADDRESS}/32") == every)
    net.until(lambda: told(router, "ipv6").get(f"{SIX}/128") == {f"2001:db8::{k}" for k in (1, 2, 3)})

    labels = f'{{peer="{ROUTER}:179"}}'
    net.until(lambda: net.metrics("n1")[f"metallb_bgp_session_up{labels}"] == 1)
    assert net.metrics("n1")[f"metallb_bgp_announced_prefixes_total{labels}"] == 2
    assert net.metrics("n1")[f"metallb_bgp_updates_total{labels}"] > 0

    told_of = [{"node": n, "serviceName": "routed", "serviceNamespace": "default", "peers": ["router"]} for n in NODES]
    net.until(lambda: net.statuses("routed", "servicebgpstatuses") == told_of)

    # externalTrafficPolicy Local: only nodes with a ready pod
    net.endpoints("routed", n2=True)
    net.http.patch("/api/v1/namespaces/default/services/routed", {"spec": {"externalTrafficPolicy": "Local"}})
    net.until(lambda: told(router).get(f"{ADDRESS}/32") == {"192.0.2.2"})
    net.until(lambda: net.statuses("routed", "servicebgpstatuses") == told_of[1:2])
    net.http.patch("/api/v1/namespaces/default/services/routed", {"spec": {"externalTrafficPolicy": "Cluster"}})
    net.until(lambda: told(router).get(f"{ADDRESS}/32") == every)

    # A dead node's session ends with it; an orderly end takes the routes back at once.
    net.kill("n1", signal.SIGKILL)
    net.until(lambda: told(router).get(f"{ADDRESS}/32") == {"192.0.2.2", "192.0.2.3"})
    net.start("n1")
    net.until(lambda: told(router).get(f"{ADDRESS}/32") == every)
    net.http.delete("/api/v1/namespaces/default/services/routed")
    net.until(lambda: f"{ADDRESS}/32" not in told(router))
    assert len(NODES) == 3


@contextmanager
def _password(net: Lan, router: Path, password: str) -> Iterator[None]:
    """The router wants it of every node."""

    def say(*lines: str) -> None:
        argv = [part for line in ("configure terminal", "router bgp 64513", *lines) for part in ("-c", line)]
        subprocess.run(["vtysh", "--vty_socket", str(router), *argv], check=True, capture_output=True)

    nodes = [f"192.0.2.{k}" for k in (1, 2, 3)]
    say(*(f"neighbor {node} password {password}" for node in nodes))
    try:
        yield
    finally:
        say(*(f"no neighbor {node} password" for node in nodes))


def _secret(net: Lan, kind: str = "kubernetes.io/basic-auth", **data: str) -> None:
    """The one that the peer names, anew."""
    base = "/api/v1/namespaces/metallb-system/secrets"
    net.http.delete(f"{base}/router")
    document = {"metadata": {"name": "router"}, "type": kind, "stringData": data}
    assert net.http.post(base, document).code == 201


def _refused(net: Lan) -> dict[str, str]:
    """By node: why it tells the router nothing, as its metrics have it."""
    rows = {node: [name for name in net.metrics(node) if name.startswith("portway_bgp_peer_refused")] for node in NODES}
    return {node: found[0].partition('reason="')[2].rstrip('"}') for node, found in rows.items() if found}


def _events(net: Lan, reason: str = "") -> list[str]:
    items = net.http.get("/api/v1/namespaces/metallb-system/events").doc["items"]
    return [e["message"] for e in items if e["involvedObject"]["kind"] == "BGPPeer" and reason in ("", e["reason"])]


def test_a_password_comes_from_a_secret_and_nobody_is_spoken_to_without(net: Lan, router: Path) -> None:
    peer = f"{GROUP}/v1beta2/namespaces/metallb-system/bgppeers/router"
    every = {f"192.0.2.{k}" for k in (1, 2, 3)}
    net.balance("secret", ADDRESS)
    net.until(lambda: told(router).get(f"{ADDRESS}/32") == every)
    assert net.http.patch(peer, {"spec": {"passwordSecret": {"name": "router"}}}).code == 200
    net.until(lambda: f"{ADDRESS}/32" not in told(router))
    net.until(lambda: _refused(net) == dict.fromkeys(NODES, "PasswordSecretMissing"))
    _secret(net, "Opaque", password="right")
    net.until(lambda: _refused(net) == dict.fromkeys(NODES, "PasswordSecretInvalid"))
    net.until(lambda: len(_events(net, "PasswordSecretInvalid")) == len(NODES))
    assert all("must be of type kubernetes.io/basic-auth" in said for said in _events(net, "PasswordSecretInvalid"))
    with _password(net, router, "right"):
        _secret(net, password="right")
        net.until(lambda: told(router).get(f"{ADDRESS}/32") == every)
        assert not _refused(net)
        _secret(net, password="wrong")
        net.until(lambda: f"{ADDRESS}/32" not in told(router))
        assert not _refused(net), "it is the router who refuses"
        _secret(net, password="right")
        net.until(lambda: told(router).get(f"{ADDRESS}/32") == every)
    assert net.http.patch(peer, {"spec": {"passwordSecret": None}}).code == 200
    net.until(lambda: told(router).get(f"{ADDRESS}/32") == every)


def test_a_peer_that_wants_bfd_is_told_that_there_is_none(net: Lan, router: Path) -> None:
    peer = f"{GROUP}/v1beta2/namespaces/metallb-system/bgppeers/router"
    net.balance("bfd", "192.0.2.151")
    net.until(lambda: "192.0.2.151/32" in told(router))
    assert net.http.patch(peer, {"spec": {"bfdProfile": "fast"}}).code == 200
    net.until(lambda: _refused(net) == dict.fromkeys(NODES, "BFDNotSupported"))
    net.until(lambda: "192.0.2.151/32" not in told(router))
    net.until(lambda: len(_events(net, "BFDNotSupported")) == len(NODES))
    assert "ExaBGP, which speaks for this node, has no BFD" in _events(net, "BFDNotSupported")[0]
    assert net.http.patch(peer, {"spec": {"bfdProfile": None}}).code == 200
    net.until(lambda: "192.0.2.151/32" in told(router))
    assert not _refused(net)


UNHEARD = "198.51.100.7"
HASHED = "198.51.100.8"
"""Of a pool that only routers are told of."""


@pytest.fixture(scope="module")
def unheard(net: Lan, router: Path) -> str:
    """A Service with an address that no L2Advertisement is for."""
    base = f"{GROUP}/v1beta1/namespaces/metallb-system"
    pool = {"metadata": {"name": "beyond"}, "spec": {"addresses": [f"{UNHEARD}/32", f"{HASHED}/32"]}}
    assert net.http.post(f"{base}/ipaddresspools", pool).code == 201
    assert net.http.patch(f"{base}/l2advertisements/p", {"spec": {"ipAddressPools": ["p"]}}).code == 200
    net.balance("unheard", UNHEARD)
    net.endpoints("unheard", n2=True)
    net.until(lambda: f"{UNHEARD}/32" in told(router))
    return UNHEARD


@pytest.mark.parametrize(
    ("changed", "code", "words"),
    [
        ({"bfdProfile": "fast"}, "LB_BGP_PEER_REFUSED", "spec.bfdProfile: 'fast' cannot be had"),
        ({"passwordSecret": {"name": "nowhere"}}, "LB_BGP_PEER_REFUSED", "Secret metallb-system/nowhere is not there"),
        ({"peerASN": 64999}, "LB_BGP_NO_SESSION", f"{ROUTER} port 179 is not AS 64999, or expects another than AS"),
        ({"password": "wrong"}, "LB_BGP_NO_SESSION", "takes no TCP connection: nobody is there"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_trace_says_why_no_router_is_told(
    net: Lan, router: Path, unheard: str, changed: dict[str, Any], code: str, words: str
) -> None:
    peer = f"{GROUP}/v1beta2/namespaces/metallb-system/bgppeers/router"
    net.until(lambda: "LB_BGP_REHASHES" in net.notes(unheard))
    assert net.http.patch(peer, {"spec": changed}).code == 200
    try:
        net.until(lambda: all(words in net.doubts(node).get(code, "") for node in NODES))
        found = net.traced(unheard)
        assert (found.code, found.arrives) == (code, False)
        assert found.findings[0].startswith("why: BGPPeer router from n1, n2, n3: ") and words in found.findings[0]
        net.until(lambda: any(words in said for said in _events(net)))
    finally:
        assert net.http.patch(peer, {"spec": GOOD | dict.fromkeys(changed.keys() - GOOD.keys())}).code == 200
        net.until(lambda: f"{UNHEARD}/32" in told(router))
    net.until(lambda: "LB_BGP_REHASHES" in net.notes(unheard))


MANY = 200
"""Connections: that none of those to two nodes moves, of which a sixth does, has the chance of a miracle."""


@pytest.mark.parametrize("resilient", [False, True], ids=["plain", "resilient"])
def test_connections_break_when_a_node_goes_as_the_router_hashes_anew(
    net: Lan, router: Path, unheard: str, resilient: bool
) -> None:
    """The router's kernel is given the next hops that FRR has learnt; each node serves the address by itself."""
    net.balance("hashed", HASHED)
    net.endpoints("hashed", n1=True, n2=True, n3=True)
    every = _learnt(net, router, len(NODES))
    net.until(lambda: net.notes(HASHED).get("LB_BGP_REHASHES", "").startswith("n1, n2, n3 tell routers of it by BGP"))
    place, client = net.places["c1"], net.places["c2"]
    for name, value in (("fib_multipath_hash_policy", "1"), ("ip_forward", "1"), ("conf/eth0/send_redirects", "0"),
                        ("conf/all/send_redirects", "0")):  # fmt: skip
        place.write(f"/proc/sys/net/ipv4/{name}", value)  # a router, which hashes by ports too
    client.command("ip", "route", "replace", f"{HASHED}/32", "via", ROUTER)
    servers = [net.world.spawn(net.places[node], _serve, node) for node in NODES]
    hops = Hops(place, resilient=resilient)
    hops.follow(every)
    reading, writing = os.pipe()
    asking, going = os.pipe()
    pid = net.world.spawn(client, _connect_and_ask_again, writing, asking)
    os.close(writing)
    with open(reading) as said:
        before = json.loads(said.readline())
        assert set(before) == set(NODES)
        net.kill("n3", signal.SIGTERM)
        hops.follow(_learnt(net, router, len(NODES) - 1))
        os.write(going, b"x")
        after = json.loads(said.readline())
    broken = [was for was, now in zip(before, after, strict=True) if was != now]
    assert all(now in ("", was) for was, now in zip(before, after, strict=True))
    assert set(broken) == {"n3"} if resilient else set(broken) > {"n3"}, (Counter(before), Counter(broken))
    net.world.wait(pid)
    client.command("ip", "route", "del", f"{HASHED}/32")
    for descriptor in (asking, going):
        os.close(descriptor)
    hops.end()
    for server in servers:
        net.world.end(server)
    for node in NODES:
        net.places[node].command("ip", "address", "del", f"{HASHED}/32", "dev", "lo")
    net.start("n3")
    net.http.delete("/api/v1/namespaces/default/services/hashed")
    net.until(lambda: f"{HASHED}/32" not in told(router))


def _learnt(net: Lan, router: Path, number: int) -> set[str]:
    """The address's next hops, once the router has so many."""
    found: set[str] = set()

    def complete() -> bool:
        found.clear()
        found.update(told(router).get(f"{HASHED}/32", ()))
        return len(found) == number

    net.until(complete)
    return found


class Hops:
    """The route of a router's kernel to the address."""

    def __init__(self, place: Namespace, *, resilient: bool) -> None:
        self._place, self._kind = place, ["type", "resilient", "buckets", "48"] if resilient else []
        for number in (1, 2, 3):
            self._ip("nexthop", "add", "id", str(number), "via", f"192.0.2.{number}", "dev", "eth0")

    def follow(self, addresses: set[str]) -> None:
        """These are the next hops."""
        group = "/".join(sorted(address.rpartition(".")[2] for address in addresses))
        self._ip("nexthop", "replace", "id", "10", "group", group, *self._kind)
        self._ip("route", "replace", f"{HASHED}/32", "nhid", "10")

    def end(self) -> None:
        """As before."""
        self._ip("nexthop", "flush")

    def _ip(self, *words: str) -> None:
        self._place.command("ip", *words)


def _serve(node: str) -> None:
    """Whoever says anything is told which node this is; a node serves nobody else's connections."""
    subprocess.run(["ip", "address", "add", f"{HASHED}/32", "dev", "lo"], check=True)
    with socket.create_server((HASHED, 80), backlog=MANY) as listening, selectors.DefaultSelector() as waiting:
        waiting.register(listening, selectors.EVENT_READ)
        while True:
            for key, _ in waiting.select():
                if key.fileobj is listening:
                    waiting.register(listening.accept()[0], selectors.EVENT_READ)
                elif isinstance(key.fileobj, socket.socket) and key.fileobj.recv(16):
                    key.fileobj.sendall(node.encode())
                else:
                    waiting.unregister(key.fileobj)


def _connect_and_ask_again(writing: int, asking: int) -> None:
    """Many connections: who answers each, and then, when told to ask again, who does now; empty: it is broken."""
    with open(writing, "w", buffering=1) as out:
        connections = [_patiently() for _ in range(MANY)]
        out.write(json.dumps([_asked(one) for one in connections]) + "\n")
        os.read(asking, 1)
        out.write(json.dumps([_asked(one) for one in connections]) + "\n")


def _patiently() -> socket.socket:
    """Its server may be about to begin."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection((HASHED, 80), timeout=PATIENCE)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise


def _asked(connection: socket.socket) -> str:
    try:
        connection.sendall(b"who")
        return connection.recv(16).decode()
    except OSError:
        return ""


def test_strict_rp_filter_drops_what_comes_from_a_router_and_leaves_elsewhere(
    net: Lan, router: Path, unheard: str
) -> None:
    """Nobody answers ARP here: it is the way to the router that is looked at, when it is first told something."""
    services = net.http.get("/api/v1/namespaces/default/services").doc["items"]
    for name in (one["metadata"]["name"] for one in services if one["spec"]["type"] == "LoadBalancer"):
        net.http.delete(f"/api/v1/namespaces/default/services/{name}")
    net.until(lambda: not told(router) and not [name for name in net.leases() if name.startswith("announce-")])
    node, client = net.places["n1"], net.places["c1"]
    net.world.connect(net.world.namespace("elsewhere"), "to-n1", node, "eth1")
    node.command("ip", "address", "add", f"{HASHED}/32", "dev", "lo")
    node.command("ip", "address", "add", "198.51.100.129/25", "dev", "eth1")
    node.command("ip", "route", "add", "default", "dev", "eth1")
    client.command("ip", "address", "add", "203.0.113.9/32", "dev", "eth0")
    client.command("ip", "route", "add", f"{HASHED}/32", "via", "192.0.2.1")
    node.write("/proc/sys/net/ipv4/conf/eth0/rp_filter", "1")
    net.balance("watched", HASHED)
    net.endpoints("watched", n2=True)
    begins = "n1: clients beyond the local network come in by eth0 and would be answered by eth1"
    net.until(lambda: net.notes(HASHED).get("LB_RP_FILTER", "").startswith(begins))
    assert net.heard("n1", HASHED, ["203.0.113.9", "192.0.2.11"]) == ["192.0.2.11"]
    node.write("/proc/sys/net/ipv4/conf/eth0/rp_filter", "2")
    assert net.heard("n1", HASHED, ["203.0.113.9", "192.0.2.11"]) == ["203.0.113.9", "192.0.2.11"]
    net.http.delete("/api/v1/namespaces/default/services/watched")
    client.command("ip", "route", "del", f"{HASHED}/32")
    for address, device in (f"{HASHED}/32", "lo"), ("198.51.100.129/25", "eth1"):
        node.command("ip", "address", "del", address, "dev", device)


def test_a_router_that_comes_late_is_told_what_has_changed_meanwhile(
    net: Lan, router: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """ExaBGP forgets that its file has changed while its first routes are not out."""
    base, late = f"{GROUP}/v1beta2/namespaces/metallb-system/bgppeers", "192.0.2.12"
    net.balance("early", "192.0.2.152")
    spec = GOOD | {"peerAddress": late}
    assert net.http.post(base, {"metadata": {"name": "late"}, "spec": spec}).code == 201
    refuses = f"{late} port 179 refuses connections, or ends them at once"
    net.until(lambda: all(refuses in net.doubts(node).get("LB_BGP_NO_SESSION", "") for node in NODES))
    net.balance("meanwhile", "192.0.2.153")
    net.until(lambda: "192.0.2.153/32" in told(router))
    folder = tmp_path_factory.mktemp("late")
    (folder / "bgpd.conf").write_text(FRR.replace("ROUTER", late))
    bgpd = net.world.spawn(net.places["c2"], _bgpd, folder)
    net.until(lambda: {"192.0.2.152/32", "192.0.2.153/32"} <= told(folder).keys())
    for kind in (f"{base}/late", *(f"/api/v1/namespaces/default/services/{name}" for name in ("early", "meanwhile"))):
        assert net.http.delete(kind).code == 200
    net.world.end(bgpd)


def test_what_is_refused(net: Lan) -> None:
    base = f"{GROUP}/v1beta2/namespaces/metallb-system/bgppeers"
    for spec, words in (
        ({"peerASN": 1, "peerAddress": ROUTER}, "spec.myASN: Required value"),
        ({"myASN": 0, "peerASN": 1, "peerAddress": ROUTER}, "spec.myASN: Invalid value: 0"),
        ({"myASN": 1, "peerASN": 1}, "spec.peerAddress: Required value"),
        (
            {"myASN": 1, "peerASN": 1, "peerAddress": ROUTER, "password": "a", "passwordSecret": {"name": "b"}},
            'spec.passwordSecret: Invalid value: "b": may not be set when `password` is set',
        ),
        (
            {"myASN": 1, "peerASN": 1, "peerAddress": ROUTER, "passwordSecret": {}},
            "spec.passwordSecret.name: Required value",
        ),
        ({"myASN": 1, "peerASN": 1, "peerAddress": "router"}, 'spec.peerAddress: Invalid value: "router"'),
        ({"myASN": 1, "peerASN": 1, "peerAddress": ROUTER, "holdTime": "1m"}, "must be whole seconds, e.g. 90s"),
    ):
        answer = net.http.post(base, {"metadata": {"name": "bad"}, "spec": spec})
        assert answer.code == 422 and words in answer.message, answer
