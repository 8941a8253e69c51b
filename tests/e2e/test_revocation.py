"""NetworkPolicies change under open connections: what is forbidden stops, what is allowed loses no packet."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.conftest import Running
from tests.patience import PATIENCE

PODS = """
apiVersion: v1
kind: Pod
metadata: {name: %s, labels: {who: %s}}
spec: {containers: [{name: main, image: example/any, ports: [{containerPort: 7000}]}]}
---
"""
ONLY_FRIENDS = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: only-friends}
spec:
  podSelector: {matchLabels: {who: server}}
  ingress: [{from: [{podSelector: {matchLabels: {who: friend}}}]}]
"""
#: Says "+" for each echo that comes within 0.3 s and "-" for each that does not, when, and how many segments have been
#: lost: sent again though they had not come (struct tcp_info of linux/tcp.h: tcpi_total_retrans, tcpi_dsack_dups).
TALKER = """
import socket, struct, sys, time
s = socket.create_connection((sys.argv[1], 7000), 60)
s.sendall(b'hello'); s.recv(4096)
s.settimeout(0.3)
def lost():
    info = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 220).ljust(220, b'\\0')
    return struct.unpack_from('=I', info, 100)[0] - struct.unpack_from('=I', info, 216)[0]
while True:
    try:
        s.sendall(b'x')
        word = '+' if s.recv(4096) else 'end'
    except TimeoutError:
        word = '-'
    except BrokenPipeError:
        break
    print(word, time.time(), lost(), flush=True)
    time.sleep(0.02)
"""


@pytest.fixture(scope="module")
def pods(fleet: Running) -> Iterator[Running]:
    """A server, a friend and a stranger."""
    names = ("server", "friend", "stranger")
    fleet.kubectl("apply", "-f", "-", text="".join(PODS % (name, name) for name in names))
    fleet.kubectl("wait", "--for=condition=Ready", *(f"pod/{name}" for name in names), "--timeout=90s")
    yield fleet
    fleet.kubectl("delete", "pod", *names, "--now")


@contextmanager
def talking(pods: Running, client: str) -> Iterator["subprocess.Popen[str]"]:
    """An open connection from that pod to the server."""
    address = pods.json("get", "pod", "server")["status"]["podIP"]
    argv = [*pods.person.command, "exec", "--name", pods.name, f"pod/default/{client}", "--"]
    argv += [pods.person.python, "-c", TALKER, address]
    with subprocess.Popen(argv, env=pods.person.environment, stdout=subprocess.PIPE, text=True, cwd="/") as process:
        try:
            yield process
        finally:
            process.kill()


def heard(process: "subprocess.Popen[str]") -> tuple[str, float, int]:
    """The next thing that it says, when, and what it has lost."""
    assert process.stdout is not None
    word, when, lost = process.stdout.readline().split()
    return word, float(when), int(lost)


def until(process: "subprocess.Popen[str]", wanted: str, times: int = 1) -> float:
    """When it first says so, so often one after the other: an answer of a busy machine may be late, too."""
    deadline, run, first = time.monotonic() + PATIENCE, 0, 0.0
    while run < times:
        assert time.monotonic() < deadline, f"no {wanted!r}"
        word, when, _ = heard(process)
        run = run + 1 if word == wanted else 0
        first = when if run == 1 else first
    return first


def apply(pods: Running, document: str) -> float:
    """When it was stored."""
    pods.kubectl("apply", "-f", "-", text=document)
    return time.time()


def relabel(pods: Running, pod: str, who: str) -> float:
    """When it was stored."""
    pods.kubectl("patch", "pod", pod, "-p", json.dumps({"metadata": {"labels": {"who": who}}}))
    return time.time()


def test_a_policy_and_a_label_revoke_and_nobody_else_is_hurt(pods: Running) -> None:
    with talking(pods, "friend") as friend, talking(pods, "stranger") as stranger:
        until(friend, "+")
        until(stranger, "+")
        stored = apply(pods, ONLY_FRIENDS)
        try:
            # the first byte that stays unanswered was sent 0.3 s before it is said
            print(f"a policy: {until(stranger, '-', 3) - 0.3 - stored:.2f} s")
            relabel(pods, "stranger", "friend")
            until(stranger, "+")
            stored = relabel(pods, "stranger", "stranger")
            print(f"a label: {until(stranger, '-', 3) - 0.3 - stored:.2f} s")
        finally:
            pods.kubectl("delete", "networkpolicy", "only-friends")
        over, said = time.time(), ("", 0.0, 0)
        deadline = time.monotonic() + PATIENCE
        # it talks after all that; and of a segment that came late, its answer has yet to tell that it came twice
        while said[:1] != ("+",) or said[1] < over or said[2]:
            assert time.monotonic() < deadline, said
            said = heard(friend)
