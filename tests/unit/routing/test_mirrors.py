"""What documents say of mirrors: which requests are copied."""

from typing import Any

import pytest

from portway.routing import is_copied
from portway.routing.compute import compute
from portway.routing.table import Mirror
from portway.testing.doordocs import backend, documents, gateway, route, rule, service

COPY = "shop/copy:80/TCP"


@pytest.mark.parametrize(
    ("share", "copied"),
    [
        ({}, 100),
        ({"percent": 0}, 0),
        ({"percent": 35}, 35),
        ({"percent": 100}, 100),
        ({"fraction": {"numerator": 25, "denominator": 50}}, 50),
        ({"fraction": {"numerator": 7}}, 7),
        ({"fraction": {"numerator": 0, "denominator": 3}}, 0),
    ],
)
def test_of_a_hundred_points_that_are_even_as_many_are_copied(share: dict[str, Any], copied: int) -> None:
    copies = {"type": "RequestMirror", "requestMirror": {"backendRef": backend("copy"), **share}}
    given = [service("web"), service("copy"), gateway("door"), route("web", "door", rule(to="web", filters=[copies]))]
    (listener,) = compute(documents(*given)).listeners
    (mirror,) = listener.hosts[0].routes[0].mirrors
    assert mirror.pool == COPY
    assert sum(is_copied(mirror, point / 100) for point in range(100)) == copied


def test_a_mirror_that_says_nothing_gets_all() -> None:
    assert all(is_copied(Mirror(COPY), point / 10) for point in range(10))
