"""No request and no call fails while all behind a door changes, and while the door itself is replaced."""

import json
import os
import shutil
import ssl
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from portway.testing.doordocs import key_pair
from tests.e2e.conftest import Running, portway, somebody
from tests.e2e.doors import WEB, key_secret, place, wait_for_doors
from tests.e2e.load import SERVER, Load
from tests.people import Person

CHAIN, KEY = key_pair("shop.example", "*.shop.example")
NEXT_CHAIN, NEXT_KEY = key_pair("*.shop.example", "shop.example")

_MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {{name: cart, namespace: shop}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: cart}}}}
  strategy: {{rollingUpdate: {{maxUnavailable: 0}}}}
  template:
    metadata:
      labels: {{app: cart}}
      annotations: {{portway.dev/runtime: process}}
    spec:
      containers:
      - name: cart
        image: cart
        command: [{python}, -c, {server}]
        env: {environment}
        ports: [{{name: grpc, containerPort: 9000}}]
        readinessProbe: {{tcpSocket: {{port: grpc}}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {{name: cart, namespace: shop}}
spec: {{selector: {{app: cart}}, ports: [{{name: grpc, port: 9000, targetPort: grpc, appProtocol: kubernetes.io/h2c}}]}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: shop, namespace: shop}}
spec:
  tls: [{{hosts: [shop.example, cart.shop.example], secretName: keys}}]
  rules:
  - host: shop.example
    http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: web, port: {{name: http}}}}}}}}]}}
  - host: cart.shop.example
    http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: cart, port: {{name: grpc}}}}}}}}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: door, namespace: shop}}
spec: {{gatewayClassName: portway, listeners: [{{name: http, port: 80, protocol: HTTP}}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {{name: cart, namespace: shop}}
spec:
  parentRefs: [{{name: door}}]
  rules: [{{matches: [{{method: {{service: shop.Cart}}}}], backendRefs: [{{name: cart, port: 9000}}]}}]
"""


@pytest.fixture(scope="module", params=["haproxy", "builtin"])
def changing(request: pytest.FixtureRequest) -> Iterator[Running]:
    if request.param == "haproxy" and not shutil.which("haproxy"):
        pytest.skip("haproxy is not installed")
    with somebody("ordinary") as person, _fleet(person, request.param) as fleet:
        yield fleet


@contextmanager
def _fleet(person: Person, engine: str) -> Iterator[Running]:
    known = person.environment.get("PYTHONPATH", "")
    manifest = _MANIFEST.format(
        python=json.dumps(person.python),
        server=json.dumps(textwrap.dedent(SERVER)),
        environment=json.dumps([{"name": "PYTHONPATH", "value": known}] if known else []),
    )
    text = f"{WEB}{manifest}---\n{key_secret('keys', CHAIN, KEY)}\n"
    portway(
        person, "up", "--name", "changing", "--nodes", "2", "--gateway-engine", engine, "-f", "-", "--detach",
        text=text,
    )  # fmt: skip
    fleet = Running(person, "changing")
    wait_for_doors(fleet)
    fleet.kubectl("-n", "shop", "rollout", "status", "deployment/cart", "--timeout=120s")
    yield fleet
    portway(person, "down", "--name", "changing")


def _load(fleet: Running) -> Load:
    """All ways of asking, at once."""
    authority = ssl.create_default_context(cadata=CHAIN + NEXT_CHAIN)
    plain, secure = place(fleet, "portway-ingress", 80), place(fleet, "portway-ingress", 443)
    load = Load()
    load.fresh(plain, "shop.example")
    load.kept(plain, "shop.example")
    load.kept(secure, "shop.example", authority)
    load.calls(place(fleet, "door-portway", 80))
    load.calls(secure, (CHAIN + NEXT_CHAIN).encode(), "cart.shop.example")
    return load


ROUNDS = int(os.environ.get("DOOR_ROUNDS", "1"))
"""How often each change is made: more, to look for what is rare."""


def test_a_door_that_is_replaced_fails_nothing(changing: Running) -> None:
    with _load(changing).running() as load:
        load.wait(20)
        for _ in range(ROUNDS):
            for namespace, name in (("portway-system", "portway-ingress"), ("shop", "door-portway")):
                changing.kubectl("-n", namespace, "rollout", "restart", f"deployment/{name}")
                changing.kubectl("-n", namespace, "rollout", "status", f"deployment/{name}", "--timeout=120s")
            load.wait(100)
            assert load.failures() == []


def test_pods_that_are_replaced_fail_nothing(changing: Running) -> None:
    with _load(changing).running() as load:
        load.wait(20)
        for _ in range(ROUNDS):
            for name in ("web", "cart"):
                changing.kubectl("-n", "shop", "rollout", "restart", f"deployment/{name}")
            for name in ("web", "cart"):
                changing.kubectl("-n", "shop", "rollout", "status", f"deployment/{name}", "--timeout=120s")
            load.wait(100)
            assert load.failures() == []


def test_routes_and_certificates_that_change_fail_nothing(changing: Running) -> None:
    with _load(changing).running() as load:
        load.wait(20)
        for number in range(4 * ROUNDS):
            chain, key = ((CHAIN, KEY), (NEXT_CHAIN, NEXT_KEY))[number % 2]
            changing.kubectl("apply", "-f", "-", text=key_secret("keys", chain, key))
            backend = {"service": {"name": "web", "port": {"number": 80}}}
            path = {"path": f"/{number}", "pathType": "Exact", "backend": backend}
            patch = [{"op": "add", "path": "/spec/rules/0/http/paths/0", "value": path}]
            changing.kubectl("-n", "shop", "patch", "ingress", "shop", "--type=json", "-p", json.dumps(patch))
            edits = {"set": [{"name": "x", "value": f"{number}"}]}
            filters = [{"type": "RequestHeaderModifier", "requestHeaderModifier": edits}]
            patched = {"spec": {"rules": [{"backendRefs": [{"name": "cart", "port": 9000}], "filters": filters}]}}
            changing.kubectl("-n", "shop", "patch", "grpcroute", "cart", "--type=merge", "-p", json.dumps(patched))
            load.wait(20)
        assert load.failures() == []
