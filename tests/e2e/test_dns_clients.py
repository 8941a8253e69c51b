"""Programs that nobody here wrote ask for names: the C library, dig, host, Python; in another cluster domain.

The fleet is the smallest there is; a headless Service of a thousand endpoints is too long for any datagram.
"""

import json
import re
import shutil
import signal
from collections.abc import Iterator
from os import kill
from typing import Any

import pytest

from tests.e2e.conftest import Running, portway
from tests.patience import until
from tests.people import Person

DOMAIN = "corp.internal"
WEB = f"web.default.svc.{DOMAIN}"
BIG = f"big.default.svc.{DOMAIN}"
COUNT, PIECES = 1000, 10
needs_dig = pytest.mark.skipif(not shutil.which("dig"), reason="dig is missing (Debian: bind9-dnsutils)")
needs_host = pytest.mark.skipif(not shutil.which("host"), reason="host is missing (Debian: bind9-host)")
needs_busybox = pytest.mark.skipif(not shutil.which("busybox"), reason="busybox is missing (Debian: busybox-static)")


def _objects() -> list[dict[str, Any]]:
    ports = [{"name": "http", "port": 80}]
    asker = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "asker", "namespace": "default"},
             "spec": {"hostname": "asker-0", "subdomain": "big", "setHostnameAsFQDN": True,
                      "containers": [{"name": "idle", "image": "example/idle"}]}}  # fmt: skip
    return [
        asker,
        _service("web", ipFamilyPolicy="SingleStack", ipFamilies=["IPv4"], ports=ports),
        _service("both", ipFamilyPolicy="RequireDualStack", ports=ports),
        _service("big", clusterIP="None", ports=ports),
        *(_piece(n, ports) for n in range(PIECES)),
    ]


def _service(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"}, "spec": spec}


def _piece(number: int, ports: list[dict[str, Any]]) -> dict[str, Any]:
    each = COUNT // PIECES
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"big-{number}", "namespace": "default", "labels": {"kubernetes.io/service-name": "big"}},
        "addressType": "IPv4",
        "ports": ports,
        "endpoints": [{"addresses": [f"10.9.{number}.{n + 1}"]} for n in range(each)],
    }


@pytest.fixture(scope="module")
def corp(person: Person) -> Iterator[Running]:
    """A fleet of one node with a domain of its own."""
    text = "\n---\n".join(map(json.dumps, _objects()))
    domain = ("--cluster-domain", DOMAIN)
    portway(person, "up", "--name", "corp", "--nodes", "1", *domain, "-f", "-", "--detach", text=text)
    fleet = Running(person, "corp")
    until(lambda: _knows(fleet), "the nameserver knows its Services")
    yield fleet
    portway(person, "down", "--name", "corp")


def _knows(corp: Running) -> bool:
    """Whether all that is asked for below has come to the nameserver."""
    found = inside(corp, "for name in big web both; do getent ahosts $name | sort -u | wc -l; done").split()
    return int(found[0]) >= COUNT and "0" not in found


def inside(corp: Running, script: str) -> str:
    """What a shell script says in the pod."""
    return corp.portway("exec", "pod/default/asker", "--", "sh", "-c", script).stdout


def _cluster_ips(corp: Running, name: str) -> list[str]:
    found: list[str] = corp.json("get", "service", name)["spec"]["clusterIPs"]
    return found


def test_the_domain_is_in_the_pods_files_and_in_the_answers(corp: Running) -> None:
    said = inside(corp, f"cat /etc/resolv.conf; hostname; getent hosts kubernetes.default.svc.{DOMAIN}")
    assert f"search default.svc.{DOMAIN} svc.{DOMAIN} {DOMAIN}" in said
    assert f"asker-0.big.default.svc.{DOMAIN}" in said.splitlines()
    assert _cluster_ips(corp, "kubernetes")[0] in said.split()


@needs_dig
def test_the_usual_domain_is_somebody_elses_now(corp: Running) -> None:
    said = inside(corp, "dig +noall +comments +time=20 +tries=1 web.default.svc.cluster.local")
    assert re.search(r"status: (SERVFAIL|NXDOMAIN)", said)


@pytest.mark.parametrize("name", ["web", "web.default", "web.default.svc", WEB, f"{WEB}."])
def test_the_c_library_finds_every_form_of_a_name(corp: Running, name: str) -> None:
    """glibc asks A and AAAA at once from one socket; a v4-only Service has no AAAA, and that must not be NXDOMAIN."""
    found = inside(corp, f"getent ahosts {name}; echo; getent ahostsv6 {name} || true")
    (address,) = _cluster_ips(corp, "web")
    assert {line.split()[0] for line in found.partition("\n\n")[0].splitlines()} == {address}
    assert not found.partition("\n\n")[2].strip() or f"::ffff:{address}" in found


def test_python_finds_both_families_and_names_of_addresses(corp: Running) -> None:
    program = (
        "import socket, json; "
        "print(json.dumps([sorted({each[4][0] for each in socket.getaddrinfo('both', 80)}), "
        "*(socket.getnameinfo((ip, 80), socket.NI_NAMEREQD)[0] for ip in {ips})]))"
    )
    ips = _cluster_ips(corp, "both")
    said = json.loads(inside(corp, f'python3 -c "{program.replace("{ips}", repr(ips))}"'))
    assert said == [sorted(ips), *[f"both.default.svc.{DOMAIN}"] * 2]


def test_a_thousand_addresses_by_tcp(corp: Running) -> None:
    """The C library asks again by TCP when a datagram says that there is more."""
    assert len(set(inside(corp, "getent ahostsv4 big | awk '{print $1}'").split())) == COUNT


@needs_dig
@pytest.mark.parametrize(
    ("options", "most"),
    [("+noedns", 512), ("+bufsize=512", 512), ("+bufsize=1232", 1232), ("+bufsize=4096", 1232)],
)
def test_datagrams_are_cut_to_what_the_client_takes(corp: Running, options: str, most: int) -> None:
    """As many addresses as there is room for, and TC (RFC 2181 9); without +ignore the rest comes by TCP."""
    said = inside(corp, f"dig +time=20 +tries=1 +ignore {options} {BIG} A")
    flags = re.search(r"flags: ([a-z ]+);", said)
    size = re.search(r"MSG SIZE +rcvd: (\d+)", said)
    assert flags and "tc" in flags[1].split() and size
    assert most - 16 < int(size[1]) <= most, "one more would not have had room"
    whole = inside(corp, f"dig +short +time=20 +tries=1 {options} {BIG} A")
    assert len(set(whole.split())) == COUNT


@needs_dig
def test_spelling_comes_back_as_it_was(corp: Running) -> None:
    """0x20: a resolver that mixes letters takes an answer only with its own."""
    mixed = "WeB.dEfAuLt.SvC.CoRp.InTeRnAl"
    said = inside(corp, f"dig +time=20 +tries=1 +qr {mixed} A")
    assert said.count(f";{mixed}.") == 2
    assert f"{mixed}." in said.partition("ANSWER SECTION")[2]
    assert _cluster_ips(corp, "web")[0] in said


@needs_host
def test_host_says_services_and_names_of_both_families_addresses(corp: Running) -> None:
    ips = _cluster_ips(corp, "both")
    said = inside(
        corp, f"host -W 20 both; host -W 20 -t SRV _http._tcp.both; {'; '.join(f'host -W 20 {ip}' for ip in ips)}"
    )
    assert f"both.default.svc.{DOMAIN} has address {ips[0]}" in said
    assert f"has IPv6 address {ips[1]}" in said
    assert f"has SRV record 0 100 80 both.default.svc.{DOMAIN}." in said
    assert said.count(f"domain name pointer both.default.svc.{DOMAIN}.") == 2


@needs_busybox
def test_busybox_finds_a_service(corp: Running) -> None:
    assert _cluster_ips(corp, "web")[0] in inside(corp, f"busybox nslookup {WEB}")


def test_the_api_servers_certificate_has_the_domain(corp: Running) -> None:
    for domain, fits in ((DOMAIN, True), ("cluster.local", False)):
        said = corp.kubectl("get", "nodes", "--tls-server-name", f"kubernetes.default.svc.{domain}", check=False)
        assert (said.returncode == 0) is fits, said.stderr


def test_traces_know_the_domain(corp: Running) -> None:
    def traced(name: str) -> Any:
        asked = corp.portway("trace", "--from", "pod/default/asker", "-o", "json", f"{name}:80", check=False)
        return json.loads(asked.stdout)

    assert traced(WEB)["code"] == "NO_ENDPOINTS"
    elsewhere = traced("web.default.svc.cluster.local")
    assert (elsewhere["code"], elsewhere["findings"]) == ("DNS_WRONG_DOMAIN", [f"fix: {WEB}"])


def test_no_name_is_lost_while_the_nameserver_is_killed(corp: Running) -> None:
    """kill -9, twice, while the C library asks again and again: the sockets are kept, so queries wait."""
    loop = "for i in $(seq 30); do getent ahostsv4 web >/dev/null && echo ok || echo lost; done"
    for _ in range(2):
        old = corp.processes["nameserver"]
        kill(old, signal.SIGKILL)
        assert inside(corp, loop).split().count("ok") == 30
        assert corp.processes["nameserver"] != old
