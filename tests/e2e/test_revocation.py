"""NetworkPolicies change under open connections: what is forbidden stops within a second, what is allowed goes on."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.conftest import Running

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
#: Says "+" for each echo that comes within 0.3 s and "-" for each that does not; a byte every 20 ms.
TALKER = """
import socket, sys, time
s = socket.create_connection((sys.argv[1], 7000), 5)
s.settimeout(0.3)
s.sendall(b'hello'); s.recv(4096)
while True:
    try:
        s.sendall(b'x')
        print('+' if s.recv(4096) else 'end', time.time(), flush=True)
    except TimeoutError:
        print('-', time.time(), flush=True)
    except BrokenPipeError:
        break
    time.sleep(0.02)
"""


@pytest.fixture(scope="module")
def pods(fleet: Running) -> Iterator[Running]:
    """A server, a friend and a stranger."""
    names = ("server", "friend", "stranger")
    fleet.kubectl("apply", "-f", "-", text="".join(PODS % (name, name) for name in names))
    fleet.kubectl("wait", "--for=condition=Ready", *(f"pod/{name}" for name in names), "--timeout=30s")
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


def heard(process: "subprocess.Popen[str]") -> tuple[str, float]:
    """The next thing that it says, and when."""
    assert process.stdout is not None
    word, _, when = process.stdout.readline().partition(" ")
    return word, float(when)


def until(process: "subprocess.Popen[str]", wanted: str) -> float:
    """When it first says so."""
    deadline = time.time() + 10
    while time.time() < deadline:
        word, when = heard(process)
        if word == wanted:
            return when
    raise AssertionError(f"no {wanted!r} within 10 s")


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
        began = time.time()
        stored = apply(pods, ONLY_FRIENDS)
        try:
            # the first byte that stays unanswered was sent 0.3 s before it is said
            assert until(stranger, "-") - 0.3 - stored < 1
            stored = relabel(pods, "stranger", "friend")
            assert until(stranger, "+") - stored < 2
            stored = relabel(pods, "stranger", "stranger")
            assert until(stranger, "-") - 0.3 - stored < 1
        finally:
            pods.kubectl("delete", "networkpolicy", "only-friends")
        said: list[Any] = []
        while not said or said[-1][1] < time.time() - 0.1:
            said.append(heard(friend))
        assert said[-1][1] > began
        assert {word for word, _ in said} == {"+"}
