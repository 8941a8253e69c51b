"""examples/shop/doors means what its comments say, and nobody has anything to complain about."""

from pathlib import Path

from portway.kubeapi import yaml
from portway.kubeapi.catalogue import by_kind
from portway.kubeapi.errors import Doc
from portway.routing.compute import compute
from portway.testing.doordocs import documents

SHOP = Path(__file__).parents[3] / "examples" / "shop"


def _documents() -> list[Doc]:
    files = [*SHOP.glob("*.yaml"), *SHOP.glob("doors/*.yaml")]
    found = [document.value for file in files for document in yaml.flatten(yaml.load_all(file.read_text(), str(file)))]
    for document in found:
        kind = by_kind(document["apiVersion"], document["kind"])
        assert kind is not None
        kind.default(document)
        assert kind.kind == "Service" or kind.validate(document, None) == []  # a Service's wants its addresses first
    return [d for d in found if d["kind"] != "Deployment"]


def test_the_shops_doors() -> None:
    ingress = [
        d | {"spec": d["spec"] | {"ingressClassName": "portway"}} if d["kind"] == "Ingress" else d for d in _documents()
    ]
    found = compute(documents(*ingress))
    assert found.complaints == ()
    assert {(at.name, at.port) for at in found.listeners} == {
        ("ingress/http", 80),
        ("ingress/https", 443),
        ("shop/door/http", 80),
    }
    assert [(f.port, f.backends[0].pool) for f in found.forwards] == [(5432, "shop/db:5432/TCP")]
    conditions = [c for route in found.routes for parent in route.parents for c in parent.conditions]
    assert len(found.routes) == 2
    assert all(condition.status for condition in conditions)
