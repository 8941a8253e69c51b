"""What the image of Kubernetes' own tests serves, read off containers, and what its servers answer."""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from portway.fleet.kubelet.agnhost_dial import dial
from portway.fleet.kubelet.agnhost_programs import Server, is_agnhost, lingers, servers
from portway.fleet.kubelet.agnhost_servers import AgnhostServers
from portway.fleet.kubelet.process import Space
from portway.fleet.kubelet.standin import Port
from portway.fleet.mounts import Mount
from tests.ports import closed_port, free_port

IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"


@pytest.mark.parametrize(
    ("container", "yes"),
    [
        ({"image": IMAGE}, True),
        ({"image": "agnhost@sha256:aa", "command": ["/agnhost", "netexec"]}, True),
        ({"image": IMAGE, "command": ["/bin/sh", "-c", "true"]}, False),
        ({"image": "example.com/agnhosting:1"}, False),
        ({}, False),
    ],
)
def test_whose_image_it_is(container: dict[str, Any], yes: bool) -> None:
    assert is_agnhost(container) is yes


def served(*words: str, **more: Any) -> list[str]:
    found = servers({"image": IMAGE, "args": list(words), **more})
    return [f"{s.port.port}/{s.port.protocol} {s.speaks}{' raw' if s.raw else ''}" for s in found]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("", []),
        ("pause", []),
        ("mounttest --fs_type=/x", []),
        ("netexec", ["8080/TCP netexec", "8081/UDP netexec"]),
        ("netexec --http-port=80 --udp-port=90", ["80/TCP netexec", "90/UDP netexec"]),
        ("netexec --http-port 8090 --udp-port -1", ["8090/TCP netexec"]),
        ("netexec --http-port many", ["8081/UDP netexec"]),
        ("serve-hostname", ["9376/TCP hostname"]),
        ("serve-hostname --http=false --tcp --udp --port 80", ["80/TCP hostname raw", "80/UDP hostname"]),
        ("test-webserver", ["80/TCP files"]),
    ],
)
def test_what_it_serves(line: str, wanted: list[str]) -> None:
    assert served(*line.split()) == wanted


@pytest.mark.parametrize(
    ("container", "seconds"),
    [
        ({}, 0),
        ({"args": ["netexec", "--delay-shutdown=7"]}, 7),
        ({"args": ["netexec", "--delay-shutdown", "7"], "lifecycle": {"preStop": {"sleep": {"seconds": 5}}}}, 12),
        ({"lifecycle": {"preStop": {"exec": {"command": ["/bin/sleep", "100"]}}}}, 100),
        ({"lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", "sleep 3 && true"]}}}}, 3),
        ({"args": ["netexec", "--delay-shutdown=soon"], "lifecycle": {"preStop": {"httpGet": {}}}}, 0),
    ],
)
def test_how_long_it_serves_when_it_is_told_to_end(container: dict[str, Any], seconds: float) -> None:
    assert lingers({"image": IMAGE} | container) == seconds


def test_porter_serves_what_its_environment_says() -> None:
    variables = [
        {"name": "SERVE_PORT_80", "value": "foo"},
        {"name": "SERVE_UDP_PORT_81"},
        {"name": "SERVE_TLS_PORT_82", "value": "secret"},
        {"name": "SERVE_SCTP_PORT_83", "value": "not played"},
    ]
    assert served("porter", env=variables) == ["80/TCP text", "81/UDP text", "82/TCP text"]
    assert [s.tls for s in servers({"image": IMAGE, "args": ["porter"], "env": variables})] == [False, False, True]
    assert served("porter", "--json-response", env=variables[:1]) == ["80/TCP json"]


def during(wanted: list[Server], work: Callable[[], Awaitable[Any]]) -> Any:
    """What `work` returns while these are served here as host `web-1`."""

    async def live() -> Any:
        running = AgnhostServers("web-1", Space())
        try:
            await running.listen(wanted)
            async with asyncio.timeout(60):
                return await work()
        finally:
            running.close()

    return asyncio.run(live())


@pytest.fixture
def port() -> int:
    return free_port()


async def talk(port: int, text: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text.encode())
    answer = await reader.read()
    writer.close()
    return answer.decode()


def get(port: int, path: str) -> Awaitable[str]:
    return talk(port, f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Mine: me\r\nConnection: close\r\n\r\n")


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/hostname", "200 OK", "web-1"),
        ("/hostName", "200 OK", "web-1"),
        ("/echo?msg=a%20b&code=404", "404 Not Found", "a b"),
        ("/echo?code=x", "200 OK", "argument 'code' must be an integer or empty, got \"x\"\n"),
        ("/header?key=X-Mine", "200 OK", "me"),
        ("/header", "200 OK", '{"X-Mine": ["me"], "Connection": ["close"]}'),
        ("/readyz", "200 OK", "ok"),
        ("/shell?cmd=id", "501 Not Implemented", "/shell is not played here\n"),
        ("/dial?host=127.0.0.1&port=1", "400 Bad Request", "request parameter not specified.\n"),
    ],
)
def test_netexec_over_http(port: int, path: str, status: str, body: str) -> None:
    head, _, said = during([Server(Port(port, "TCP"), "netexec")], lambda: get(port, path)).partition("\r\n\r\n")
    assert (head.split("\r\n")[0], said) == (f"HTTP/1.1 {status}", body)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/", "200 <pre>\n</pre>\n"),
        ("/results/one", "200 1\n"),
        ("/results/a%20b", "200 2\n"),
        ("/results/deep/../one", "200 1\n"),
        ("/results/none", "404 404 page not found\n"),
        ("/results", "404 404 page not found\n"),
        ("/results/../../secret", "404 404 page not found\n"),
        ("/results/away", "404 404 page not found\n"),
        ("/etc/passwd", "404 404 page not found\n"),
    ],
)
def test_a_web_server_serves_files_of_its_volumes_and_no_others(
    port: int, tmp_path: Path, path: str, said: str
) -> None:
    (tmp_path / "v").mkdir()
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "v" / "one").write_text("1\n")
    (tmp_path / "v" / "a b").write_text("2\n")
    (tmp_path / "v" / "away").symlink_to(tmp_path / "secret")
    server = Server(Port(port, "TCP"), "files", files=(Mount(str(tmp_path / "v"), "/results"),))
    head, _, body = during([server], lambda: get(port, path)).partition("\r\n\r\n")
    assert f"{head.split()[1]} {body}" == said


def test_clients_are_told_who_they_are(port: int) -> None:
    said = during([Server(Port(port, "TCP"), "netexec")], lambda: get(port, "/clientip"))
    assert said.partition("\r\n\r\n")[2].startswith("127.0.0.1:")


def test_porter_tells_the_method_where_json_is_wanted(port: int) -> None:
    said = during([Server(Port(port, "TCP"), "json", "foo")], lambda: get(port, "/any"))
    assert json.loads(said.partition("\r\n\r\n")[2]) == {"Method": "GET", "Body": "foo"}


def test_porter_over_tls(port: int) -> None:
    async def ask() -> str:
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer.decode()

    said = during([Server(Port(port, "TCP"), "text", "secret", tls=True)], ask)
    assert said.partition("\r\n\r\n")[2] == "secret"


def test_what_is_no_http_is_refused(port: int) -> None:
    """`echo hostName | nc` is how Kubernetes' tests try whether anybody is there."""
    said = during([Server(Port(port, "TCP"), "netexec")], lambda: talk(port, "hostName\n"))
    assert said.startswith("HTTP/1.1 400 Bad Request\r\n")


def test_a_raw_server_says_its_name_whatever_it_is_told(port: int) -> None:
    assert during([Server(Port(port, "TCP"), "hostname", raw=True)], lambda: talk(port, "hostName\n")) == "web-1"


def test_dialling_from_one_to_another(port: int) -> None:
    both = [Server(Port(port, "TCP"), "netexec"), Server(Port(port, "UDP"), "netexec")]

    async def ask() -> list[Any]:
        found = []
        for protocol, request in (("http", "hostname"), ("udp", "hostName"), ("udp", "echo Hi"), ("sctp", "hostname")):
            query = {"host": "127.0.0.1", "port": str(port), "protocol": protocol, "request": request, "tries": "2"}
            found.append(await dial(Space(), query))
        return found

    http, udp, echo, sctp = during(both, ask)
    assert (http[0], json.loads(http[1])) == (udp[0], json.loads(udp[1])) == (200, {"responses": ["web-1", "web-1"]})
    assert json.loads(echo[1]) == {"responses": ["hi", "hi"]}
    assert sctp == (400, "unsupported protocol. sctp\n")


def test_dialling_where_nobody_is() -> None:
    with closed_port() as port:
        query = {"host": "127.0.0.1", "port": str(port), "protocol": "http", "request": "hostname"}
        assert asyncio.run(dial(Space(), query)) == (200, '{"errors": ["connection refused"]}')
