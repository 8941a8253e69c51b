"""LoadBalancers on a running fleet: many on one port, reached from everywhere, kept through deaths and restarts."""

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.http import Http
from tests.e2e.conftest import Running, portway
from tests.patience import until
from tests.people import Person

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  replicas: 2
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec: {containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: NAME}
spec: {type: LoadBalancer, ipFamilyPolicy: PreferDualStack, selector: {app: NAME}, ports: [{port: 80}]}
---
"""
#: As MetalLB's own guide has it, an address range of somebody's home and all.
METALLB = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: home, namespace: metallb-system}
spec: {addresses: [192.168.1.240-192.168.1.241], autoAssign: false}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: home, namespace: metallb-system}
---
apiVersion: v1
kind: Service
metadata: {name: home, annotations: {metallb.io/address-pool: home}}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  allocateLoadBalancerNodePorts: false
  selector: {app: one}
  ports: [{port: 8080, targetPort: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: six}
spec: {type: LoadBalancer, ipFamilies: [IPv6], selector: {app: one}, ports: [{port: 80}]}
"""
DIAL = """
import json, sys
from portway.cli.probe import probe
print(json.dumps(probe(sys.argv[1], int(sys.argv[2]), "TCP")))
"""
#: Pings its arguments in turn, again and again until the last one answers, and says who did.
PING = """
import socket, struct, sys
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
raw.settimeout(1)
body = struct.pack("!BBHHH", 8, 0, 0, 7, 1)
echo = body[:2] + struct.pack("!H", 0xFFFF - sum(struct.unpack("!4H", body)) % 0xFFFF) + body[4:]
heard = set()
for _ in range(20):
    for address in sys.argv[1:]:
        raw.sendto(echo, (address, 0))
    try:
        while sys.argv[-1] not in heard:
            data, (source, _) = raw.recvfrom(2048)
            if data[20] == 0 and data[24:26] == bytes((0, 7)):
                heard.add(source)
    except TimeoutError:
        continue
    break
print(*heard)
"""
#: The kernel's names of processes are no longer.
NAME_LENGTH = 15


@pytest.fixture(scope="module")
def fleet(person: Person) -> Iterator[Running]:
    manifests = WEB.replace("NAME", "one") + WEB.replace("NAME", "two") + METALLB
    done = portway(person, "up", "--name", "lb", "-f", "-", "--detach", text=manifests)
    running = Running(person, "lb")
    assert "LOADBALANCER" in done.stdout + done.stderr
    yield running
    portway(person, "down", "--name", "lb")


def rows(fleet: Running) -> dict[str, dict[str, Any]]:
    """Of `portway ports`, by Service."""
    found = json.loads(fleet.portway("ports", "-o", "json").stdout)
    return {row["service"]: row for row in found if row["type"] == "LoadBalancer"}


def ask(url: str) -> dict[str, Any]:
    """What answers there, once it does: an address may be moving just now."""

    def asked() -> dict[str, Any]:
        with urllib.request.urlopen(url, timeout=30) as answer:
            found: dict[str, Any] = json.loads(answer.read())
            return found

    return until(asked, f"{url} answers")


def dialled(fleet: Running, place: str, address: str, port: int) -> dict[str, Any]:
    """What answers there, dialled from a place of the fleet, once something does."""

    def asked() -> dict[str, Any]:
        done = fleet.portway("exec", place, fleet.person.python, "-c", DIAL, address, str(port))
        fact: dict[str, Any] = json.loads(done.stdout)
        return fact.get("reply") or {} if fact["outcome"] == "answered" else {}

    return until(asked, f"{address}:{port} answers {place}")


def pods(fleet: Running, app: str) -> set[str]:
    return {pod["metadata"]["name"] for pod in fleet.json("get", "pods", "-l", f"app={app}")["items"]}


def test_each_has_an_address_and_answers_on_the_same_port_from_this_machine(fleet: Running) -> None:
    found = rows(fleet)
    assert found["one"]["loadBalancerIps"] != found["two"]["loadBalancerIps"]
    assert [len(found[name]["loadBalancerIps"]) for name in ("one", "two", "home")] == [2, 2, 1]
    for name, app in (("one", "one"), ("two", "two"), ("home", "one")):
        assert ask(f"http://{found[name]['fromThisMachine']}/")["pod"] in pods(fleet, app)
    host, port = found["one"]["fromThisMachine"].rsplit(":", 1)
    assert host.rpartition(".")[2] == found["one"]["loadBalancerIps"][0].rpartition(".")[2]
    # An ordinary user may have port 80 only where the sysctl says so; then nothing has to be explained.
    if port == "80":
        assert "note" not in found["one"] or not found["one"]["note"]
    else:
        assert port == "10080" and "ip_unprivileged_port_start=80" in found["one"]["note"]
        assert "ip_unprivileged_port_start" in fleet.portway("status").stdout


def test_from_this_machine_at_each_address(fleet: Running) -> None:
    """IPv6 has no loopback addresses to give away: this machine's part of the way is IPv4, the fleet's is not."""
    one = rows(fleet)["one"]
    four, six = one["addresses"]
    assert [four["address"], six["address"]] == one["loadBalancerIps"]
    assert {key: one[key] for key in ("fromThisMachine", "note")} == {
        key: four[key] for key in ("fromThisMachine", "note")
    }
    assert four["fromThisMachine"].rpartition(":")[0] != six["fromThisMachine"].rpartition(":")[0]
    assert bool(four["note"]) == bool(six["note"]), "what is to be said of low ports is said of both"
    said = ask(f"http://{six['fromThisMachine']}/")
    assert (said["pod"] in pods(fleet, "one"), ":" in said["client"]) == (True, True), said
    shown = [line.split() for line in fleet.portway("ports").stdout.splitlines()]
    for address in (four, six):
        assert ["default/one", address["fromThisMachine"], address["address"], "80/TCP"] in shown


def test_a_service_of_ipv6_alone_from_this_machine(fleet: Running) -> None:
    six = rows(fleet)["six"]
    places = (six["fromThisMachine"], *(f"{address}:{six['nodePort']}" for address in fleet.loopbacks))
    for at in places:
        said = ask(f"http://{at}/")
        assert (said["pod"] in pods(fleet, "one"), ":" in said["client"]) == (True, True), (at, said)


def test_from_outside_nodes_and_pods_in_both_families(fleet: Running) -> None:
    found, own = rows(fleet), pods(fleet, "one")
    for place in ("outside", "node-1", "node-3", f"pod/default/{sorted(pods(fleet, 'two'))[0]}"):
        for address in found["one"]["loadBalancerIps"]:
            assert dialled(fleet, place, address, 80)["pod"] in own, (place, address)


def test_a_users_own_pool_keeps_the_clients_address(fleet: Running) -> None:
    """192.168.1.240 is not on the fleet's wire, and MetalLB's objects are taken as they are."""
    assert dialled(fleet, "outside", "192.168.1.240", 8080)["client"] == "172.18.0.1"


def test_traces_and_probes_agree(fleet: Running) -> None:
    address = rows(fleet)["two"]["loadBalancerIps"][0]
    for target, origin in (
        ("svc/default/one:80", "outside"),
        (f"{address}:80", "outside"),
        (f"{address}:80", "node/node-2"),
        (f"{address}:80", f"pod/default/{sorted(pods(fleet, 'one'))[0]}"),
    ):
        found = until(lambda words=(target, "--from", origin): agreeing(fleet, *words), target)  # type: ignore[misc]
        assert found["arrives"], found
        said = {one.partition(": ")[0] for one in found["findings"]}
        # A young fleet's addresses may have moved: nodes come one after the other.
        said -= {"LB_MOVED_LATELY"}
        assert said <= {"LB_CLIENT_HIDDEN", "LB_OWN_NODE_ANSWERS"}, "nothing is wrong, and nothing else is said"
    bad = fleet.portway("trace", "svc/default/home:8080", "-o", "json")
    assert json.loads(bad.stdout)["arrives"]


def agreeing(fleet: Running, *words: str) -> dict[str, Any]:
    """What a trace says, if a real packet agrees with it."""
    found: dict[str, Any] = json.loads(fleet.portway("trace", *words, "--probe", "-o", "json", check=False).stdout)
    return found if found["agrees"] else {}


#: Ways to fail, each with a pool of its own that no address of was asked for yet: no neighbor's table knows any.
POOL = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: NAME, namespace: metallb-system}
spec: {addresses: [192.168.NUMBER.1-192.168.NUMBER.2], autoAssign: false}
---
"""
ADVERTISEMENT = """
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: NAME, namespace: metallb-system}
spec: {ipAddressPools: [NAME], SPEC}
---
"""
BROKEN = """
apiVersion: v1
kind: Service
metadata: {name: NAME, annotations: {metallb.io/address-pool: POOL}}
spec: {type: LoadBalancer, SPEC, ports: [{port: 80}]}
---
"""
#: Name: what its L2Advertisement says (None: there is none), what the Service says, and the trace's code.
WAYS: dict[str, tuple[str | None, str, str]] = {
    "mute": (None, "selector: {app: one}", "LB_NOT_ADVERTISED"),
    "wired": ("interfaces: [eth7]", "selector: {app: one}", "LB_NOT_ANNOUNCED"),
    "racked": ("nodeSelectors: [{matchLabels: {rack: none}}]", "selector: {app: one}", "LB_NO_NODE_SELECTED"),
    "empty": ("", "externalTrafficPolicy: Local, selector: {app: none}", "LB_NO_LOCAL_ENDPOINT"),
    "beyond": ("", "loadBalancerIP: 10.9.9.9, selector: {app: one}", "LB_ADDRESS_OUTSIDE_POOLS"),
    "foreign": ("", "loadBalancerClass: example.com/other, selector: {app: one}", "LB_CLASS_FOREIGN"),
    "left-out": ("", "selector: {app: one}", "LB_NODES_EXCLUDED"),
}
LEFT_OUT = "node.kubernetes.io/exclude-from-external-load-balancers"


@pytest.fixture(scope="module")
def broken(fleet: Running) -> Iterator[Running]:
    """The same fleet with all of them; nodes are left out only after the others have been looked at."""
    fleet.kubectl("patch", "l2advertisement", "home", "-n", "metallb-system", "--type=merge", "-p",
                  '{"spec": {"ipAddressPools": ["home"]}}')  # fmt: skip
    objects = ""
    for number, (name, (advertised, spec, _)) in enumerate(WAYS.items(), 10):
        objects += POOL.replace("NAME", name).replace("NUMBER", str(number))
        if advertised is not None:
            objects += ADVERTISEMENT.replace("NAME", name).replace("SPEC", advertised or "interfaces: []")
        if name != "left-out":
            objects += BROKEN.replace("NAME", name).replace("POOL", name).replace("SPEC", spec)
    fleet.kubectl("apply", "-f", "-", text=objects)
    yield fleet
    fleet.kubectl("delete", "--ignore-not-found", "service", *WAYS)


def traced(fleet: Running, name: str, *options: str) -> dict[str, Any]:
    done = fleet.portway("trace", f"svc/default/{name}:80", "-o", "json", *options, check=False)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", WAYS)
def test_each_way_to_fail_has_its_name_and_no_packet_arrives(broken: Running, name: str) -> None:
    spec, code = WAYS[name][1:]
    if name == "left-out":
        broken.kubectl("label", "nodes", "--all", f"{LEFT_OUT}=")
        service = BROKEN.replace("NAME", name).replace("POOL", name).replace("SPEC", spec)
        broken.kubectl("apply", "-f", "-", text=service)
    try:

        def told() -> dict[str, Any]:
            found = traced(broken, name, "--probe")
            return found if found["code"] == code and found.get("agrees") is not False else {}

        found = until(told, f"{name} is {code}, and a packet agrees")
        assert not found["arrives"], found
        if found["packet"]:
            assert found["probe"]["outcome"] != "answered"
    finally:
        if name == "left-out":
            broken.kubectl("label", "nodes", "--all", f"{LEFT_OUT}-")


def test_up_tells_who_cannot_be_answered_and_does_not_wait_for_them(broken: Running) -> None:
    """This machine's end takes connections whether or not somebody inside answers."""
    broken.kubectl("delete", "--ignore-not-found", "service", *WAYS)
    spec = "selector: {app: one}"
    service = BROKEN.replace("NAME", "unheard").replace("POOL", "mute").replace("SPEC", spec)
    broken.kubectl("apply", "-f", "-", text=service)
    until(lambda: bool(rows(broken)["unheard"]["loadBalancerIps"]), "an address is given")

    def complained() -> str:
        """Of this one only; on a busy machine others may take longer than `up` waits for them."""
        done = broken.portway("up", "-f", "-", "--detach", text=service)
        complaints = [line for line in done.stderr.splitlines() if "does not answer" in line]
        assert complaints, done.stderr
        return complaints[0] if len(complaints) == 1 else ""

    complaint = until(complained, "only one does not answer")
    assert "default/unheard:80 at 127." in complaint and "(LB_NOT_ADVERTISED: " in complaint
    broken.kubectl("delete", "service", "unheard")


def findings(fleet: Running, name: str, code: str) -> list[str]:
    return [one for one in traced(fleet, name)["findings"] if one.startswith(f"{code}: ")]


def test_a_trace_says_that_another_machine_answers_too(broken: Running) -> None:
    address = "192.168.16.1"  # of the pool left-out, whose Service is gone
    device = ("address", "add", f"{address}/32", "dev", "lo")
    broken.portway("exec", "outside", "--", "ip", *device)
    spec = "selector: {app: one}"
    service = BROKEN.replace("NAME", "twice").replace("POOL", "left-out").replace("SPEC", spec)
    broken.kubectl("delete", "service", "left-out", "--ignore-not-found")
    broken.kubectl("apply", "-f", "-", text=service)
    until(lambda: bool(findings(broken, "twice", "LB_TWO_ANSWER")), "a second answer is told")
    assert address in findings(broken, "twice", "LB_TWO_ANSWER")[0]
    broken.portway("exec", "outside", "--", "ip", "address", "del", *device[2:])
    broken.kubectl("delete", "service", "twice")


def test_a_trace_says_that_an_address_has_moved(fleet: Running) -> None:
    lease = f"announce-{rows(fleet)['one']['loadBalancerIps'][0]}"
    before = fleet.json("get", "lease", "-n", "kube-system", lease)["spec"]["holderIdentity"]
    fleet.kubectl("label", "node", before, f"{LEFT_OUT}=")

    def told() -> bool:
        """That it is another's now; that of a move before may be told until then."""
        found = findings(fleet, "one", "LB_MOVED_LATELY")
        return bool(found) and not found[0].startswith(f"LB_MOVED_LATELY: {before} ")

    until(told, "the move is told")
    fleet.kubectl("label", "node", before, f"{LEFT_OUT}-")


def test_an_address_answers_no_ping_and_its_ports_do(fleet: Running) -> None:
    """One of the things that make people think that an announcement does not work."""
    (address, *_) = rows(fleet)["one"]["loadBalancerIps"]
    for place in ("outside", "node-1"):
        said = fleet.portway("exec", place, fleet.person.python, "-c", PING, address, "172.18.0.12").stdout.split()
        assert said == ["172.18.0.12"], "the node does; it answered after the address had its time"
    from_node = fleet.portway("trace", f"{address}:80", "--from", "node/node-1", "-o", "json")
    assert any(one.startswith("LB_OWN_NODE_ANSWERS: ") for one in json.loads(from_node.stdout)["findings"])


def test_metrics_of_announcers_and_controllers(fleet: Running) -> None:
    address = rows(fleet)["one"]["loadBalancerIps"][0]
    folder = fleet.folder

    def announced() -> bool:
        """By whoever has the Lease at this moment."""
        holder = fleet.json("get", "lease", "-n", "kube-system", f"announce-{address}")["spec"]["holderIdentity"]
        said = Http(folder / "announcers" / f"{holder}.sock").get("/metrics").text
        return f'metallb_speaker_announced{{ip="{address}"' in said

    until(announced, f"somebody's metrics tell of {address}")
    # .211 to .250, and ::211 to ::250 in hexadecimal
    pools = Http(folder / "controllers.sock").get("/metrics").text
    assert 'metallb_allocator_addresses_total{pool="portway"} 104.0' in pools


def test_addresses_survive_every_process(fleet: Running) -> None:
    before = {name: row["loadBalancerIps"] for name, row in rows(fleet).items()}
    lease = ("get", "lease", "-n", "kube-system", f"announce-{before['one'][0]}")
    holder = fleet.json(*lease)["spec"]["holderIdentity"]
    for name in ("controllers", "relay", f"{holder}-announcer", f"{holder}-agent"):
        os.kill(fleet.processes[name[:NAME_LENGTH]], signal.SIGKILL)
    until(lambda: _answers(rows(fleet)["one"]), "it answers after the deaths")
    assert {name: row["loadBalancerIps"] for name, row in rows(fleet).items()} == before
    until(lambda: bool(fleet.json(*lease)["spec"].get("holderIdentity")), "somebody announces after the deaths")


def _answers(row: dict[str, Any]) -> bool:
    try:
        with urllib.request.urlopen(f"http://{row['fromThisMachine']}/", timeout=10) as answer:
            return bool(json.load(answer)["pod"])
    except (OSError, KeyError):
        return False


def test_what_is_deleted_is_free_and_closed(fleet: Running) -> None:
    door = rows(fleet)["two"]["fromThisMachine"]
    address = rows(fleet)["two"]["loadBalancerIps"][0]
    fleet.kubectl("delete", "service", "two", "--timeout=90s")
    fleet.kubectl(
        "expose", "deployment", "two", "--name", "again", "--type=LoadBalancer", "--port=81", "--target-port=80"
    )
    until(lambda: rows(fleet).get("again", {}).get("loadBalancerIps", [""])[:1] == [address], "it is given again")
    until(lambda: _answers(rows(fleet)["again"]), "it answers")
    until(lambda: not _answers({"fromThisMachine": door}), "the door of the other port is closed")
