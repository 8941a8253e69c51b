"""Pods on nodes, with the real API server; this file is the scheduler: pods are born with a nodeName."""

import asyncio
import contextlib
import json
import os
import re
import signal
import time
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from portway import apiserver, fleet
from portway.apiserver import pki
from portway.client import Api
from portway.fleet.kubelet import pod as kubelet_pod
from portway.fleet.relay.dial import Dialer
from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.kinds import Resource
from tests.e2e.ordinary import USERS, User, run_as
from tests.patience import PATIENCE

pytestmark = pytest.mark.parametrize("user", USERS)

PODS = Resource("", "v1", "pods")
NODES = Resource("", "v1", "nodes", namespaced=False)
SERVICES = Resource("", "v1", "services")
EVENTS = Resource("", "v1", "events")
CONFIG_MAPS = Resource("", "v1", "configmaps")
NODE_PORT = 30123


def _apiserver(paths: fleet.FleetPaths, https: Any, unix: Any) -> int:
    pki.create(paths.pki)
    config = apiserver.ServerConfig(data=paths.database, pki=paths.pki, pod_logs=paths.pods, kubelets=paths.kubelets)
    return apiserver.run(config, https, unix)


def _wait_for_ever(*_: object) -> int:
    while True:
        time.sleep(1000)


def _node_port(_: fleet.FleetPaths, node: fleet.NodePlan) -> int:
    """In the agent's place: answers at the nodePort itself, TCP and UDP."""

    class Udp(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, client: Any) -> None:
            self.transport.sendto(f"{node.name} {client[0]} ".encode() + data, client)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = await reader.read()  # to the end: the client's half is closed then
        writer.write(f"{node.name} {writer.get_extra_info('peername')[0]} ".encode() + said)
        writer.close()

    async def serve() -> None:
        address = node.addresses[0]
        await asyncio.get_running_loop().create_datagram_endpoint(Udp, local_addr=(address, NODE_PORT))
        await (await asyncio.start_server(talk, address, NODE_PORT)).serve_forever()

    asyncio.run(serve())
    return 0


PROGRAMS = fleet.Programs(apiserver=_apiserver, controllers=_wait_for_ever, agent=_node_port)


def in_fleet(
    user: User,
    test: Callable[[fleet.FleetState, Api], Awaitable[None]],
    nodes: int = 1,
    programs: fleet.Programs = PROGRAMS,
) -> None:
    """Run `test` beside a fleet of its own, as `user`."""

    def scenario() -> None:
        started = fleet.start(fleet.FleetConfig(name="pods", nodes=nodes), programs)
        started.wired()
        try:
            asyncio.run(_with_api(started.state, test))
        except BaseException:
            for log in sorted(started.state.paths.log("x").parent.iterdir()):
                print(f"== {log.name}\n{log.read_text()}", flush=True)
            raise
        finally:
            fleet.stop("pods")

    run_as(user, scenario)


async def _with_api(state: fleet.FleetState, test: Callable[[fleet.FleetState, Api], Awaitable[None]]) -> None:
    async with Api.unix(state.paths.api_socket) as api, asyncio.timeout(2 * PATIENCE):
        for node in state.nodes:
            await until(partial(exists, api, NODES, "", node.name), f"{node.name} is registered")
        await test(state, api)


async def until(condition: Callable[[], Awaitable[Any]], what: str, seconds: float = PATIENCE) -> Any:
    """Poll until true; its value."""
    deadline = time.monotonic() + seconds
    while not (value := await condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.01)
    return value


async def exists(api: Api, resource: Resource, namespace: str, name: str) -> Doc | None:
    try:
        return await api.get(resource, namespace, name)
    except ApiError as error:
        assert error.code == 404, error
        return None


def pod(name: str, node: str = "node-1", annotations: dict[str, str] | None = None, **container: Any) -> Doc:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "annotations": annotations or {}},
        "spec": {"nodeName": node, "containers": [{"name": "c", "image": "anything:1", **container}]},
    }


def ready(document: Doc) -> bool:
    conditions = document.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


async def get(api: Api, name: str, holds: Callable[[Doc], bool] = ready, what: str = "ready") -> Doc:
    """The pod, once `holds` does."""

    async def seen() -> Doc | None:
        document = await exists(api, PODS, "default", name)
        return document if document and holds(document) else None

    found: Doc = await until(seen, f"pod {name} is {what}")
    return found


def inside(state: fleet.FleetState, place: str, command: str) -> str:
    """What a shell command says inside the fleet."""
    out = Path("out")
    try:
        code = fleet.enter(state, place, ["timeout", f"{PATIENCE:.0f}", "sh", "-c", f"({command}) > {out} 2>&1"])
        assert code == 0, f"{command}: {code}: {out.read_text()}"
        return out.read_text()
    finally:
        out.unlink(missing_ok=True)


def kubelet_of(state: fleet.FleetState, node: str) -> int:
    """Its process id, as the fleet sees it. Other processes may end while they are looked at."""
    listing = inside(state, node, f"grep -xs {node}-kubelet /proc/[0-9]*/comm || true")
    return min(map(int, re.findall(r"^/proc/(\d+)/", listing, re.MULTILINE)))  # its children begin as it


PORTS = [
    {"name": "http", "containerPort": 8080},
    {"name": "dns", "containerPort": 53, "protocol": "UDP"},
]
_CURL = "curl -sS -m 60"


def test_a_stand_in_answers_on_every_port_from_every_place(user: User) -> None:
    async def test(state: fleet.FleetState, api: Api) -> None:
        await api.create(PODS, pod("web", ports=PORTS))
        await api.create(PODS, pod("far", "node-2"))
        web, far = await get(api, "web"), await get(api, "far")
        ips = [entry["ip"] for entry in web["status"]["podIPs"]]
        assert ips == ["10.244.1.2", "fd00:244:0:1::2"]
        assert web["status"]["hostIPs"] == [{"ip": "172.18.0.11"}, {"ip": "fd00:18::11"}]
        assert web["status"]["phase"] == "Running"
        assert "running" in web["status"]["containerStatuses"][0]["state"]
        for place, client4, client6 in (
            ("node-1", "172.18.0.11", "fd00:18::11"),
            ("node-2", "172.18.0.12", "fd00:18::12"),
            (f"pod:{far['metadata']['uid']}", "10.244.2.2", "fd00:244:0:2::2"),
        ):
            four = json.loads(inside(state, place, f"{_CURL} 'http://{ips[0]}:8080/a?b=c' -H 'X-Word: one'"))
            assert {k: four[k] for k in ("pod", "namespace", "node", "podIP", "portName", "port", "client")} == {
                "pod": "web",
                "namespace": "default",
                "node": "node-1",
                "podIP": "10.244.1.2",
                "portName": "http",
                "port": 8080,
                "client": client4,
            }
            assert (four["method"], four["path"], four["headers"]["x-word"]) == ("GET", "/a?b=c", "one")
            six = json.loads(inside(state, place, f"{_CURL} -X POST -d body 'http://[{ips[1]}]:8080/'"))
            assert (six["client"], six["method"]) == (client6, "POST")
        said = inside(
            state, "node-2", f"bash -c 'exec 3<>/dev/tcp/{ips[0]}/8080; head -1 <&3; echo hi >&3; head -1 <&3'"
        )
        assert said.startswith("pod=web namespace=default node=node-1") and said.endswith("\nhi\n")
        said = inside(state, "node-2", f"bash -c 'exec 3<>/dev/udp/{ips[0]}/53; echo hi >&3; head -2 <&3'")
        assert "portName=dns" in said and said.endswith("\nhi\n")
        refused = inside(state, "node-2", f"{_CURL} http://{ips[0]}:8081 || echo code $?")
        assert "code 7" in refused

    in_fleet(user, test, nodes=2)


def test_deleted_pods_leave_no_network_and_their_address_rests(user: User) -> None:
    async def test(state: fleet.FleetState, api: Api) -> None:
        await api.create(PODS, pod("one", ports=PORTS))
        one = await get(api, "one")
        await api.delete(PODS, "default", "one", grace_seconds=100_000)

        async def gone() -> bool:
            return await exists(api, PODS, "default", "one") is None

        await until(gone, "one is gone: a stand-in drains for a second, not for its grace period")
        assert "pod-" not in inside(state, "node-1", "ip netns list; ip -br link | grep '^v' || true")
        await api.create(PODS, pod("two", ports=PORTS))
        two = await get(api, "two")
        assert two["status"]["podIP"] != one["status"]["podIP"]
        await api.create(PODS, pod("two-and-a-half"))
        await get(api, "two-and-a-half")
        await api.delete(PODS, "default", "two-and-a-half", grace_seconds=0)
        networks = "ip netns list | grep -c ^pod- || true"

        async def one_left() -> bool:
            return inside(state, "node-1", networks).strip() == "1"

        await until(one_left, "a force-deleted pod's network goes")

    in_fleet(user, test)


def test_a_stand_in_serves_on_while_its_hook_sleeps(user: User) -> None:
    async def test(state: fleet.FleetState, api: Api) -> None:
        sleeps = pod("sleeps", ports=PORTS, lifecycle={"preStop": {"sleep": {"seconds": 1000}}})
        sleeps["spec"]["terminationGracePeriodSeconds"] = 2000
        await api.create(PODS, sleeps)
        await api.create(PODS, pod("other", ports=PORTS))
        address = (await get(api, "sleeps"))["status"]["podIP"]
        await get(api, "other")
        for name in ("sleeps", "other"):
            await api.delete(PODS, "default", name)

        async def other_is_gone() -> bool:
            return await exists(api, PODS, "default", "other") is None

        await until(other_is_gone, "who was deleted later is gone")
        assert json.loads(inside(state, "node-1", f"{_CURL} http://{address}:8080"))["pod"] == "sleeps"

    in_fleet(user, test)


class _Doors:
    """A gate of files: an address is known when there is one of its name."""

    folder = Path("/run/doors")

    def knows(self, addresses: Collection[str]) -> bool:
        return all((self.folder / address).exists() for address in addresses)

    async def known(self, addresses: Collection[str]) -> None:
        while not self.knows(addresses):
            await asyncio.sleep(0.01)

    async def forgotten(self, addresses: Collection[str]) -> None:
        while any((self.folder / address).exists() for address in addresses):
            await asyncio.sleep(0.01)


def test_a_pod_passes_the_gate_before_it_starts_and_keeps_its_addresses_until_it_is_forgotten(user: User) -> None:
    async def test(state: fleet.FleetState, api: Api) -> None:
        doors = "cd /run/doors &&"
        inside(state, "node-1", f"mkdir -p {_Doors.folder}")
        await api.create(PODS, process("first", command=["sleep", "1000"], ports=PORTS))
        waits = await get(api, "first", lambda d: "NetworkNotReady" in str(d.get("status")), "waiting")
        ips = [entry["ip"] for entry in waits["status"]["podIPs"]]
        assert waits["status"]["phase"] == "Pending"
        conditions = {c["type"]: c["status"] for c in waits["status"]["conditions"]}
        assert conditions["PodReadyToStartContainers"] == conditions["Ready"] == "False"
        assert f"has not let {', '.join(ips)} in" in _state(waits)["waiting"]["message"]
        network = f"ip netns pids pod-{waits['metadata']['uid']}"
        assert inside(state, "node-1", network) == "", "nothing runs in it"
        inside(state, "node-1", f"{doors} touch {ips[0]}")
        inside(state, "node-1", f"{doors} touch {' '.join(ips)}")
        first = await get(api, "first")
        assert [entry["ip"] for entry in first["status"]["podIPs"]] == ips
        assert inside(state, "node-1", network) != ""
        await api.delete(PODS, "default", "first", grace_seconds=0)

        async def removed() -> bool:
            return first["metadata"]["uid"] not in inside(state, "node-1", "ip netns list")

        await until(removed, "its network goes")
        memory = f"ls /run/portway/node-1/{first['metadata']['uid']} || true"
        assert "cannot access" not in inside(state, "node-1", memory), "its addresses are nobody else's yet"
        inside(state, "node-1", f"{doors} rm {' '.join(ips)}")

        async def free() -> bool:
            return "cannot access" in inside(state, "node-1", memory)

        await until(free, "its addresses are free")
        kubelet = kubelet_of(state, "node-1")
        await api.create(PODS, pod("never"))
        await get(api, "never", lambda d: d.get("status", {}).get("podIPs"), "waiting")
        inside(state, "node-1", f"kill -KILL {kubelet}")
        await api.delete(PODS, "default", "never", grace_seconds=0)

        async def nothing_left() -> bool:
            return inside(state, "node-1", "ip netns list | grep -c ^pod- || true; ls /run/portway/node-1") == "0\n"

        await until(nothing_left, "who never came in leaves nothing behind")

    def impatient() -> _Doors:
        vars(kubelet_pod)["_GATE_SECONDS"] = 0.1
        return _Doors()

    in_fleet(user, test, programs=msgspec.structs.replace(PROGRAMS, gate=impatient))


def test_the_ready_annotation_takes_a_pod_out_and_back(user: User) -> None:
    async def test(state: fleet.FleetState, api: Api) -> None:
        await api.create(PODS, pod("web", ports=PORTS))
        await get(api, "web")
        await api.patch(PODS, "default", "web", {"metadata": {"annotations": {"portway.dev/ready": "false"}}})
        out = await get(api, "web", lambda d: not ready(d), "not ready")
        condition = next(c for c in out["status"]["conditions"] if c["type"] == "Ready")
        assert condition["reason"] == "TakenOut"
        await api.patch(PODS, "default", "web", {"metadata": {"annotations": {"portway.dev/ready": None}}})
        await get(api, "web")

    in_fleet(user, test)


def test_a_killed_kubelet_serves_on_after_its_restart(user: User) -> None:
    async def test(state: fleet.FleetState, api: Api) -> None:
        for name in ("stays", "goes"):
            await api.create(PODS, pod(name, ports=PORTS))
        stays, goes = await get(api, "stays"), await get(api, "goes")
        number = kubelet_of(state, "node-1")
        inside(state, "node-1", f"kill -STOP {number}")
        await api.delete(PODS, "default", "goes", grace_seconds=0)
        inside(state, "node-1", f"kill -KILL {number}")
        curl = f"until curl -sf -m 60 http://{stays['status']['podIP']}:8080; do sleep 0.05; done"
        assert json.loads(inside(state, "node-1", curl))["pod"] == "stays"
        assert (await get(api, "stays"))["metadata"]["resourceVersion"] == stays["metadata"]["resourceVersion"]

        async def removed() -> bool:
            return goes["metadata"]["uid"] not in inside(state, "node-1", "ip netns list")

        await until(removed, "the network of the pod that went meanwhile is removed")

    in_fleet(user, test)


def process(name: str, **container: Any) -> Doc:
    return pod(name, annotations={"portway.dev/runtime": "process"}, **container)


async def _told(api: Api, pod: str, reason: str) -> bool:
    found, _ = await api.list(EVENTS, "default", field_selector=f"involvedObject.name={pod},reason={reason}")
    return bool(found)


def test_processes(user: User) -> None:
    async def test(state: fleet.FleetState, api: Api) -> None:
        words = {"metadata": {"name": "words", "namespace": "default"}, "data": {"greeting": "hello"}}
        await api.create(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", **words})
        script = "echo $(GREETING) $WHO from $IP; trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done"
        env = [
            {"name": "GREETING", "valueFrom": {"configMapKeyRef": {"name": "words", "key": "greeting"}}},
            {"name": "WHO", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ]
        await api.create(PODS, process("talks", command=["sh", "-c", script], env=env))
        talks = await get(api, "talks")
        log = state.paths.container_log(talks["metadata"]["uid"], "c")

        async def said() -> bool:
            return log.read_text() == f"hello talks from {talks['status']['podIP']}\n"

        await until(said, "its words are in its log")
        await api.create(PODS, process("lost", command=["no-such-program"]))
        lost = await get(api, "lost", lambda d: "waiting" in _state(d) and "message" in _state(d)["waiting"], "waiting")
        assert _state(lost)["waiting"]["reason"] == "RunContainerError"
        assert 'exec: "no-such-program": executable file not found in $PATH' in _state(lost)["waiting"]["message"]
        await api.create(PODS, process("needs", command=["true"], envFrom=[{"configMapRef": {"name": "nowhere"}}]))
        needs = await get(api, "needs", lambda d: _state(d).get("waiting", {}).get("message"), "waiting")
        assert _state(needs)["waiting"] == {
            "reason": "CreateContainerConfigError",
            "message": 'configmap "nowhere" not found',
        }
        await api.create(PODS, process("crashes", command=["sh", "-c", "exit 3"]))
        crashes = await get(api, "crashes", lambda d: _state(d).get("waiting", {}).get("reason") == "CrashLoopBackOff")
        status = crashes["status"]["containerStatuses"][0]
        assert status["lastState"]["terminated"]["exitCode"] == 3
        assert status["restartCount"] >= 1
        await until(partial(_told, api, "lost", "Failed"), "kubectl describe says why it does not start")
        await until(partial(_told, api, "crashes", "BackOff"), "and that it is waited for")
        once = process("once", command=["true"])
        once["spec"]["restartPolicy"] = "Never"
        await api.create(PODS, once)
        await get(api, "once", lambda d: d["status"].get("phase") == "Succeeded", "Succeeded")
        await api.delete(PODS, "default", "talks", grace_seconds=5)

        async def parted() -> bool:
            return "bye" in log.read_text()

        await until(parted, "SIGTERM reached it")

    in_fleet(user, test)


def test_containers_of_a_pod_share_its_volumes_at_paths_that_this_machine_does_not_have(user: User) -> None:
    async def test(state: fleet.FleetState, api: Api) -> None:
        words = {"metadata": {"name": "words", "namespace": "default"}, "data": {"greeting": "hello"}}
        await api.create(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", **words})
        results = {"name": "results", "mountPath": "/portway-results"}
        config = {"name": "words", "mountPath": "/etc/portway-words/deep", "readOnly": True}
        wait = "while ! test -s /portway-results/said; do sleep 0.02; done;"
        say = "touch /etc/portway-words/deep/x; cat /etc/portway-words/deep/greeting > /portway-results/said"
        hear = f"{wait} cat /portway-results/said; ls /portway-results; ls -d /bin /etc/hosts /proc/self/exe"
        document = process("shares", command=["sh", "-c", f"{say}; exec sleep 1000"], volumeMounts=[results, config])
        document["spec"]["volumes"] = [
            {"name": "results", "emptyDir": {}},
            {"name": "words", "configMap": {"name": "words"}},
        ]
        other = {"name": "d", "image": "i", "command": ["sh", "-c", f"{hear}; exec sleep 1000"]}
        document["spec"]["containers"].append(other | {"volumeMounts": [results]})
        await api.create(PODS, document)
        shares = await get(api, "shares")
        said, heard = (state.paths.container_log(shares["metadata"]["uid"], name) for name in ("c", "d"))

        async def told() -> bool:
            return "/proc/self/exe" in heard.read_text()

        await until(told, "one container reads what the other wrote")
        assert heard.read_text() == "hellosaid\n/bin\n/etc/hosts\n/proc/self/exe\n"
        assert "Read-only file system" in said.read_text()
        place = f"pod:{shares['metadata']['uid']}"
        seen = inside(state, place, "ls -d /portway-results /etc/portway-words 2>&1 | grep -c cannot || true")
        assert seen.strip() == "2", "nobody else sees them"
        assert inside(state, "node-1", "find /run/portway-volumes -type f | wc -l").strip() == "2"
        needs = process("needs", command=["true"], volumeMounts=[config])
        needs["spec"]["volumes"] = [{"name": "words", "configMap": {"name": "nowhere"}}]
        await api.create(PODS, needs)
        waits = await get(api, "needs", lambda d: _state(d).get("waiting", {}).get("message"), "waiting")
        assert 'volume "words" : configmap "nowhere" not found' in _state(waits)["waiting"]["message"]
        await api.delete(PODS, "default", "shares", grace_seconds=0)

        async def forgotten() -> bool:
            return inside(state, "node-1", "ls /run/portway-volumes").strip() == ""

        await until(forgotten, "volumes go with their pod")

    in_fleet(user, test)


def _state(document: Doc) -> Doc:
    found: list[Doc] = document.get("status", {}).get("containerStatuses") or [{"state": {}}]
    state: Doc = found[0]["state"]
    return state


def test_a_process_is_ready_when_its_probe_says_so(user: User) -> None:
    async def test(state: fleet.FleetState, api: Api) -> None:
        probe = {"tcpSocket": {"port": "web"}, "periodSeconds": 1}
        ports = [{"name": "web", "containerPort": 8000}]
        program = (
            "import http.server as h; h.ThreadingHTTPServer(('', 8000), h.SimpleHTTPRequestHandler).serve_forever()"
        )
        serve = process("serves", command=["/usr/bin/python3", "-c", program], ports=ports, readinessProbe=probe)
        await api.create(PODS, serve)
        await api.create(PODS, process("silent", command=["sleep", "1000"], ports=ports, readinessProbe=probe))
        await get(api, "serves")
        silent = await get(api, "silent", lambda d: "running" in _state(d), "running")
        assert not ready(silent)

    in_fleet(user, test)


def test_nodes_say_what_they_are(user: User) -> None:
    async def test(state: fleet.FleetState, api: Api) -> None:
        node = await api.get(NODES, "", "node-2")
        assert node["spec"]["podCIDRs"] == ["10.244.2.0/24", "fd00:244:0:2::/64"]
        assert node["metadata"]["labels"]["topology.kubernetes.io/zone"] == "zone-2"
        full = await until(lambda: _with_status(api, "node-2"), "its status is written")
        assert {"type": "InternalIP", "address": "172.18.0.12"} in full["status"]["addresses"]
        assert [c["status"] for c in full["status"]["conditions"] if c["type"] == "Ready"] == ["True"]

    in_fleet(user, test, nodes=2)


async def _with_status(api: Api, name: str) -> Doc | None:
    node = await api.get(NODES, "", name)
    return node if node.get("status", {}).get("addresses") else None


def test_node_ports_answer_on_the_host_while_they_exist(user: User) -> None:
    async def test(state: fleet.FleetState, api: Api) -> None:
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "door", "namespace": "default"},
            "spec": {
                "type": "NodePort",
                "selector": {"app": "none"},
                "ports": [
                    {"name": "t", "port": 80, "nodePort": NODE_PORT},
                    {"name": "u", "port": 80, "nodePort": NODE_PORT, "protocol": "UDP"},
                    {"name": "shut", "port": 81, "nodePort": NODE_PORT + 1},
                ],
            },
        }
        for node in state.nodes:
            with pytest.raises(ConnectionRefusedError):
                await _tcp(node.loopback, NODE_PORT, b"")
        await api.create(SERVICES, service)
        big = os.urandom(3_000_000)
        for node in state.nodes:
            answer = await until(partial(_tcp_or_none, node.loopback, NODE_PORT, big), f"{node.name} answers")
            assert answer == f"{node.name} 172.18.0.1 ".encode() + big
            assert await _udp(node.loopback, NODE_PORT, b"ping") == f"{node.name} 172.18.0.1 ping".encode()
            with pytest.raises(ConnectionResetError):
                await _tcp(node.loopback, NODE_PORT + 1, b"")
        many = await asyncio.gather(*(_tcp(state.nodes[0].loopback, NODE_PORT, b"%d" % i) for i in range(500)))
        assert many == [b"node-1 172.18.0.1 %d" % i for i in range(500)]
        await api.delete(SERVICES, "default", "door")

        async def closed() -> bool:
            try:
                return await _tcp_or_none(state.nodes[0].loopback, NODE_PORT, b"") is None
            except ConnectionResetError:
                return False  # Came while the door was being closed: the kernel resets who waits to be accepted.

        await until(closed, "the door is closed")

    in_fleet(user, test, nodes=2)


async def _tcp(address: str, port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(data)
        _end(writer)
        return await reader.read()
    finally:
        writer.close()


def _end(writer: asyncio.StreamWriter) -> None:
    """Say no more. ConnectionResetError if a reset came before, which the kernel tells as ENOTCONN (shutdown(2))."""
    try:
        writer.write_eof()
    except OSError as error:
        raise ConnectionResetError from error


async def _tcp_or_none(address: str, port: int, data: bytes) -> bytes | None:
    try:
        return await _tcp(address, port, data)
    except ConnectionRefusedError:
        return None


async def _udp(address: str, port: int, data: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bytes] = loop.create_future()

    class Client(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, _: Any) -> None:
            answer.set_result(data)

    transport, _ = await loop.create_datagram_endpoint(Client, remote_addr=(address, port))
    transport.sendto(data)
    try:
        return await asyncio.wait_for(answer, PATIENCE)
    finally:
        transport.close()


def test_many_pods_are_made_at_once(user: User) -> None:
    async def test(state: fleet.FleetState, api: Api) -> None:
        await asyncio.gather(*(api.create(PODS, pod(f"p{i}", ports=PORTS)) for i in range(40)))
        for i in range(40):
            await get(api, f"p{i}")
        addresses = {(await api.get(PODS, "default", f"p{i}"))["status"]["podIP"] for i in range(40)}
        assert len(addresses) == 40

    in_fleet(user, test)


def test_the_dialer_is_used_again_after_its_death(user: User) -> None:
    async def test(state: fleet.FleetState, api: Api) -> None:
        dialer = Dialer(state.paths.dial_socket)

        async def answered() -> bool:
            try:
                (await dialer.connect("tcp", "172.18.0.11", NODE_PORT)).close()
            except ConnectionRefusedError:
                return False
            return True

        await until(answered, "the node's program listens")
        os.kill(_child_of(int(state.paths.world_pid.read_text()), "dialer"), signal.SIGKILL)
        for _ in range(20):
            (await dialer.connect("tcp", "172.18.0.11", NODE_PORT)).close()

    in_fleet(user, test)


def _child_of(parent: int, name: str) -> int:
    """The process id of its child of that name; others may end while they are looked at."""
    for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text() == f"{name}\n":
                return int(pid)
    raise AssertionError(f"no {name}")
