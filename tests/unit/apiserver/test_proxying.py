"""What a path to a proxy means, and what of an HTML page is made to lead through it."""

import pytest

from portway.apiserver.proxying import parts_of, port_name, relinked
from portway.apiserver.target import find
from portway.kubeapi.errors import ApiError

PODS = "/api/v1/namespaces/shop/pods"


@pytest.mark.parametrize(
    ("path", "name", "rest"),
    [
        (f"{PODS}/web/proxy", "web", ""),
        (f"{PODS}/web/proxy/", "web", "/"),
        (f"{PODS}/https:web:443/proxy/a//b/proxy/", "https:web:443", "/a//b/proxy/"),
        ("/api/v1/namespaces/shop/services/web:http/proxy/x", "web:http", "/x"),
    ],
)
def test_paths(path: str, name: str, rest: str) -> None:
    found = find(path)
    assert found is not None
    assert (found.name, found.subresource, found.path) == (name, "proxy", rest)


@pytest.mark.parametrize("path", ["/api/v1/nodes/n/proxy/x", f"{PODS}/web/proxyx/y", f"{PODS}/proxy/a/b"])
def test_other_paths_are_none(path: str) -> None:
    found = find(path)
    assert found is None or not found.path


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("web", ("", "web", "")),
        ("web:80", ("", "web", "80")),
        ("https:web:", ("https", "web", "")),
        ("http:web:http", ("http", "web", "http")),
    ],
)
def test_names(name: str, parts: tuple[str, str, str]) -> None:
    assert parts_of(name) == parts


@pytest.mark.parametrize("name", ["ftp:web:80", "a:b:c:d", ":80", ""])
def test_bad_names(name: str) -> None:
    with pytest.raises(ApiError) as refused:
        parts_of(name)
    assert refused.value.code == 400


def test_the_port_of_a_service() -> None:
    two = {"spec": {"ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81}]}}
    one = {"spec": {"ports": [{"name": "only", "port": 80}]}}
    bare = {"spec": {"ports": [{"port": 80}]}}
    found = [port_name(two, "b"), port_name(two, "80"), port_name(two, "c"), port_name(one, ""), port_name(bare, "")]
    assert found == ["b", "a", None, "only", ""]


def test_links_from_the_root_lead_through_the_proxy() -> None:
    page = b"""<a href="/x">a</a> <img SRC='/y.png'> <a href="//other/z"> <a href="rel"> /not a link"""
    wanted = b"""<a href="/p/x">a</a> <img SRC='/p/y.png'> <a href="//other/z"> <a href="rel"> /not a link"""
    assert relinked(page, "/p") == wanted
