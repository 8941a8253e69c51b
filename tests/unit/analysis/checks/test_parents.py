"""PW-U06: routes and ListenerSets at the parents that they name."""

import json

import pytest

from portway.analysis.check import Settings
from portway.analysis.checks import built_in
from portway.analysis.lint import lint
from portway.routing.documents import Doc
from portway.testing.checks import bundle_of
from portway.testing.doordocs import gateway, http, in_set, joined, listener_set, namespace, parent, route, rule

(CHECK,) = [one for one in built_in() if one.code == "PW-U06"]
HTTP = http("more", 81)


@pytest.mark.parametrize(
    ("documents", "wrong"),
    [
        (
            [
                gateway("door", allowedListeners=joined("Same")),
                listener_set("set", "door", HTTP),
                route("web", [in_set("set", "more")], rule()),
            ],
            "",
        ),
        ([gateway("door"), listener_set("set", "door", HTTP)], "Gateway shop/door does not allow ListenerSets from"),
        (
            [gateway("door", allowedListeners=joined("Same")), listener_set("team/set", "shop/door", HTTP)],
            "Gateway shop/door does not allow ListenerSets from namespace team",
        ),
        (
            [
                namespace("team", kind="team"),
                gateway("door", allowedListeners=joined("Selector", kind="team")),
                listener_set("team/set", "shop/door", HTTP),
            ],
            "",
        ),
        ([gateway("other"), listener_set("set", "door", HTTP)], "Gateway shop/door is not there"),
        (
            [
                gateway("door", allowedListeners=joined("Same")),
                listener_set("other", "door", HTTP),
                route("web", [in_set("set")], rule()),
            ],
            "ListenerSet shop/set is not there",
        ),
        (
            [
                gateway("door", allowedListeners=joined("Same")),
                listener_set("set", "door", HTTP),
                route("web", [in_set("set", "http")], rule()),
            ],
            "ListenerSet shop/set has no listener http",
        ),
        (
            [
                gateway("door", allowedListeners=joined("Same")),
                listener_set("set", "door", HTTP),
                route("web", [parent("door", "more")], rule()),
            ],
            "Gateway shop/door has no listener more",
        ),
        (
            [gateway("door", http(hostname="*.a.example")), route("web", "door", rule(), hostnames=["b.example"])],
            "no listener of Gateway shop/door has a hostname that meets b.example",
        ),
        ([gateway("door", http(hostname="*.a.example")), route("web", "door", rule(), hostnames=["X.A.example"])], ""),
        ([gateway("door", http(hostname="*.a.example")), route("web", "door", rule())], ""),
    ],
)
def test_whoever_is_named_has_to_take_it(documents: list[Doc], wrong: str) -> None:
    text = "\n---\n".join(map(json.dumps, documents))
    found = [finding.message for finding in lint(bundle_of(text), [CHECK], Settings()).findings]
    assert (len(found), wrong in "".join(found)) == (1 if wrong else 0, True)
