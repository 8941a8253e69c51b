"""LoadBalancers' addresses as BGP routes: ExaBGP in the nodes, FRR as the router, which nobody here wrote."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portway.testing.netns import Unavailable
from tests.contract.lan import NODES, Lan, lan

BGPD = Path("/usr/lib/frr/bgpd")
ROUTER = "192.0.2.11"
"""The first client is the router here."""
FRR = """
router bgp 64513
 bgp router-id 192.0.2.11
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
    """Where vtysh finds it."""
    folder = tmp_path_factory.mktemp("frr")
    (folder / "bgpd.conf").write_text(FRR)
    net.world.spawn(net.places["c1"], _bgpd, folder)
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
    peer = {"myASN": 64512, "peerASN": 64513, "peerAddress": ROUTER, "holdTime": "9s"}
    base = f"{GROUP}/v1beta2/namespaces/metallb-system/bgppeers"
    assert net.http.post(base, {"metadata": {"name": "router"}, "spec": peer}).code == 201
    advertised = f"{GROUP}/v1beta1/namespaces/metallb-system/bgpadvertisements"
    assert net.http.post(advertised, {"metadata": {"name": "all"}, "spec": {"communities": ["64512:7"]}}).code == 201
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


def test_what_is_refused(net: Lan) -> None:
    base = f"{GROUP}/v1beta2/namespaces/metallb-system/bgppeers"
    for spec, words in (
        ({"peerASN": 1, "peerAddress": ROUTER}, "spec.myASN: Required value"),
        ({"myASN": 0, "peerASN": 1, "peerAddress": ROUTER}, "spec.myASN: Invalid value: 0"),
        ({"myASN": 1, "peerASN": 1}, "spec.peerAddress: Required value"),
        ({"myASN": 1, "peerASN": 1, "peerAddress": "router"}, 'spec.peerAddress: Invalid value: "router"'),
        ({"myASN": 1, "peerASN": 1, "peerAddress": ROUTER, "holdTime": "1m"}, "must be whole seconds, e.g. 90s"),
    ):
        answer = net.http.post(base, {"metadata": {"name": "bad"}, "spec": spec})
        assert answer.code == 422 and words in answer.message, answer
