"""Which class a new Ingress gets that names none."""

import pytest

from portway.kubeapi import ingress
from portway.kubeapi.errors import Doc
from portway.kubeapi.ingressclass import DEFAULT_ANNOTATION, default_of


def a_class(name: str, created: str = "2026-01-01T00:00:00Z", default: str = "true") -> Doc:
    return {"metadata": {"name": name, "creationTimestamp": created, "annotations": {DEFAULT_ANNOTATION: default}}}


@pytest.mark.parametrize(
    ("classes", "name"),
    [
        ([], ""),
        ([{"metadata": {"name": "a"}}, a_class("b", default="false")], ""),
        ([a_class("a"), {"metadata": {"name": "b"}}], "a"),
        ([a_class("a"), a_class("b", "2026-02-01T00:00:00Z")], "b"),
        ([a_class("b"), a_class("a")], "a"),
    ],
)
def test_the_newest_default_class(classes: list[Doc], name: str) -> None:
    assert default_of(classes) == name


class Cluster:
    @staticmethod
    def default_ingress_class() -> str:
        return "portway"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"spec": {}}, "portway"),
        ({"spec": {"ingressClassName": "own"}}, "own"),
        ({"spec": {"ingressClassName": ""}}, ""),
        ({"spec": {}, "metadata": {"annotations": {"kubernetes.io/ingress.class": "own"}}}, None),
        ({}, None),
    ],
)
def test_only_an_ingress_that_names_none_gets_it(before: Doc, after: str | None) -> None:
    ingress.begin_create(before, Cluster(), False)
    assert before.get("spec", {}).get("ingressClassName") == after
