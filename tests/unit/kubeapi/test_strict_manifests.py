"""Real applications' manifests, and our examples, have no field that we do not know."""

from pathlib import Path

import pytest

from portway.kubeapi import strict, yaml
from portway.kubeapi.catalogue import by_kind
from tests.shared import manifest

EXAMPLES = sorted((Path(__file__).resolve().parents[3] / "examples").rglob("*.yaml"))


def problems(path: Path) -> dict[str, strict.Problems]:
    found = {}
    for document in yaml.flatten(yaml.load_all(path.read_text(), path.name)):
        kind = by_kind(document.value["apiVersion"], document.value["kind"])
        assert kind, document.value["kind"]
        found[document.where()] = strict.check(kind, document.value)
    return found


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples(path: Path) -> None:
    found = problems(path)
    assert found
    assert {place: p for place, p in found.items() if p != strict.Problems()} == {}


@pytest.mark.parametrize("name", ["online-boutique.yaml", "sock-shop.yaml"])
def test_real_manifests(name: str) -> None:
    found = problems(manifest(name))
    assert found
    assert {place: p for place, p in found.items() if p != strict.Problems()} == {}
