"""What a pod is called and what its files say: kubelet's words (kubelet_pods_test.go, dns_test.go for the cases)."""

from typing import Any

import pytest

from portway.dns.podconf import resolv_conf
from portway.dns.resolvconf import ResolvConf
from portway.fleet.kubelet.names import NameTooLong, PodName, hosts_file, pod_name

DNS = ("10.96.0.10",)
NODE = ResolvConf(("172.18.0.11",), ("corp.example",), ("edns0",))
CLUSTER = ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local")


def pod(name: str = "web-0", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": spec}


@pytest.mark.parametrize(
    ("document", "host", "domain", "kernel"),
    [
        (pod(), "web-0", "", "web-0"),
        (pod(hostname="db-0"), "db-0", "", "db-0"),
        (pod(hostname="db-0", subdomain="db"), "db-0", "db.shop.svc.cluster.local", "db-0"),
        (pod(subdomain="db"), "web-0", "db.shop.svc.cluster.local", "web-0"),
        (pod(subdomain="db", setHostnameAsFQDN=True), "web-0", "db.shop.svc.cluster.local",
         "web-0.db.shop.svc.cluster.local"),
        (pod(setHostnameAsFQDN=True), "web-0", "", "web-0"),
        (pod(hostnameOverride="other.example", hostname="a", subdomain="b"), "other.example", "", "other.example"),
        (pod("a" * 62 + "-b"), "a" * 62, "", "a" * 62),
        (pod(hostNetwork=True, hostname="db-0", subdomain="db"), "node-1", "", "node-1"),
    ],
)  # fmt: skip
def test_names(document: dict[str, Any], host: str, domain: str, kernel: str) -> None:
    assert pod_name(document, "node-1") == PodName(host, domain, kernel)


def test_a_name_too_long_for_the_kernel_is_said_in_kubelets_words() -> None:
    with pytest.raises(NameTooLong, match=r"is too long \(64 characters is the max, 86 characters requested\)"):
        pod_name(pod("p" * 60, subdomain="db", setHostnameAsFQDN=True), "node-1")


def test_hosts_of_a_pod() -> None:
    aliases: list[Any] = [{"ip": "10.1.2.3", "hostnames": ["foo.remote", "bar.remote"]}, {"ip": "::1"}]
    said = hosts_file(PodName("db-0", "db.shop.svc.cluster.local"), ["10.244.1.2", "fd00::2"], aliases)
    assert said.startswith("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost")
    assert said.endswith(
        "10.244.1.2\tdb-0.db.shop.svc.cluster.local\tdb-0\nfd00::2\tdb-0.db.shop.svc.cluster.local\tdb-0\n"
        "\n# Entries added by HostAliases.\n10.1.2.3\tfoo.remote\tbar.remote\n::1\n"
    )
    assert hosts_file(PodName("web-0"), ["10.244.1.2"], []).endswith("\n10.244.1.2\tweb-0\n")


def test_hosts_of_a_pod_in_its_nodes_network() -> None:
    said = hosts_file(PodName("node-1"), ["172.18.0.11"], [{"ip": "10.1.2.3", "hostnames": ["foo"]}], "127.0.0.1\tx\n")
    assert said == (
        "# Kubernetes-managed hosts file (host network).\n127.0.0.1\tx\n"
        "\n# Entries added by HostAliases.\n10.1.2.3\tfoo\n"
    )


CONFIG = {
    "nameservers": ["10.0.0.9", "10.96.0.10"],
    "searches": ["my.example", "svc.cluster.local"],
    "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}],
}


@pytest.mark.parametrize(
    ("document", "wanted"),
    [
        (pod(), ResolvConf(DNS, (*CLUSTER, "corp.example"), ("ndots:5",))),
        (pod(dnsPolicy="ClusterFirst", hostNetwork=True), NODE),
        (pod(dnsPolicy="ClusterFirstWithHostNet", hostNetwork=True),
         ResolvConf(DNS, (*CLUSTER, "corp.example"), ("ndots:5",))),
        (pod(dnsPolicy="Default"), NODE),
        (pod(dnsPolicy="None", dnsConfig=CONFIG),
         ResolvConf(("10.0.0.9", "10.96.0.10"), ("my.example", "svc.cluster.local"), ("ndots:2", "edns0"))),
        (pod(dnsConfig=CONFIG),
         ResolvConf(("10.96.0.10", "10.0.0.9"), (*CLUSTER, "corp.example", "my.example"), ("ndots:2", "edns0"))),
        (pod(dnsPolicy="Default", dnsConfig={"searches": ["x"]}),
         ResolvConf(NODE.nameservers, ("corp.example", "x"), NODE.options)),
    ],
)  # fmt: skip
def test_resolv_conf(document: dict[str, Any], wanted: ResolvConf) -> None:
    assert resolv_conf(document, DNS, NODE) == (wanted, [])


def test_what_resolvers_do_not_take_is_left_out_and_said() -> None:
    many = {
        "nameservers": [f"10.0.0.{n}" for n in range(4)],
        "searches": [f"{n}.example" for n in range(40)] + ["x" * 254],
    }
    found, said = resolv_conf(pod(dnsPolicy="None", dnsConfig=many), DNS, NODE)
    assert (len(found.nameservers), len(found.searches)) == (3, 32)
    assert [message.partition(",")[0] for message in said] == [
        "Nameserver limits were exceeded",
        "Search Line limits were exceeded",
    ]


def test_a_search_line_too_long_loses_its_end() -> None:
    long = {"searches": [f"{n}{'x' * 240}" for n in range(10)]}
    found, said = resolv_conf(pod(dnsPolicy="None", dnsConfig=long), DNS, NODE)
    assert len(" ".join(found.searches)) <= 2048
    assert len(found.searches) == 8 and len(said) == 1


def test_another_cluster_domain_is_in_all_of_it() -> None:
    found, _ = resolv_conf(pod(), DNS, ResolvConf(), "corp.internal")
    assert found.searches == ("shop.svc.corp.internal", "svc.corp.internal", "corp.internal")
    document = pod(hostname="db-0", subdomain="db", setHostnameAsFQDN=True)
    assert pod_name(document, "node-1", "corp.internal").kernel == "db-0.db.shop.svc.corp.internal"
