"""What every fleet with doors has: a Deployment behind a Service, a key pair in a Secret; and where its doors are."""

import base64
import json

from tests.e2e.conftest import Running

WEB = """
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: web
        ports: [{name: http, containerPort: 8080}]
        lifecycle: {preStop: {sleep: {seconds: 10}}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
---
"""


def key_secret(name: str, chain: str, key: str) -> str:
    """A key pair as the Secret `shop/NAME`, in JSON, which is a YAML document too."""
    data = {file: base64.b64encode(pem.encode()).decode() for file, pem in (("tls.crt", chain), ("tls.key", key))}
    metadata = {"name": name, "namespace": "shop"}
    return json.dumps(
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "kubernetes.io/tls", "data": data}
    )


def wait_for_doors(fleet: Running) -> None:
    """Until the Gateway `shop/door` is programmed and the Ingress `shop/shop` has its address."""
    wait = ("-n", "shop", "wait", "--timeout=120s")
    fleet.kubectl(*wait, "--for=condition=Programmed", "gateway/door")
    fleet.kubectl(*wait, "--for=jsonpath={.status.loadBalancer.ingress}", "ingress/shop")


def place(fleet: Running, service: str, port: int) -> str:
    """Where a door's port answers from this machine: ADDRESS:PORT."""
    rows = json.loads(fleet.portway("ports", "-A", "-o", "json").stdout)
    (row,) = [row for row in rows if (row["service"], row["port"]) == (service, port)]
    return str(row["fromThisMachine"])
