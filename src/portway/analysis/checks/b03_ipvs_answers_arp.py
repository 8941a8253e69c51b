"""PW-B03: kube-proxy in IPVS mode without strictARP, beside layer 2 announcements."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from portway.analysis import examples
from portway.analysis.bundle import Bundle, Item
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.kubeapi import yaml
from portway.kubeapi.errors import Doc
from portway.kubeapi.yaml import YamlError


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    announced = next(bundle.of("L2Advertisement"), None)
    for item, path, configuration in _configurations(bundle) if announced else ():
        ipvs = configuration.get("ipvs")
        strict = isinstance(ipvs, dict) and ipvs.get("strictARP") is True
        if announced and configuration.get("mode") == "ipvs" and not strict:
            yield Finding(
                "PW-B03",
                "warning",
                f"{item.named}: mode ipvs without strictARP lets every node answer ARP for LoadBalancers' addresses, "
                f"which {announced.named} has one node announce",
                item.where(path),
                hop="node",
                others=(announced.where(),),
                seen="strictARP: false",
                expected="strictARP: true",
                effect="clients send to whichever node they heard last; fail-over and policy Local do not work",
                fix=Fix("ipvs: {strictARP: true}, and restart kube-proxy"),
            )


def _configurations(bundle: Bundle) -> Iterator[tuple[Item, tuple[str, ...], Doc]]:
    """Of kube-proxy: files in kubeadm's ConfigMap, and such a file itself."""
    for item in bundle.of("ConfigMap"):
        data = item.get("data")
        for key, text in data.items() if item.name == "kube-proxy" and isinstance(data, dict) else ():
            found = _loaded(text)
            if isinstance(found, dict) and found.get("kind") == "KubeProxyConfiguration":
                yield item, ("data", key), found
    for item in bundle.of("KubeProxyConfiguration.kubeproxy.config.k8s.io", "KubeProxyConfiguration"):
        yield item, ("mode",), item.value


def _loaded(text: Any) -> Any:
    with suppress(YamlError):
        return yaml.load(text) if isinstance(text, str) else None


def _proxy(strict: str) -> str:
    file = f"apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: ipvs\nipvs: {strict}\n"
    lines = "".join(f"    {line}\n" for line in file.splitlines())
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kube-proxy, namespace: kube-system}\n"
    advertisement = examples.pool("", kind="L2Advertisement")
    return examples.together(f"{head}data:\n  config.conf: |\n{lines}", examples.pool(), advertisement)


CHECK = Check(
    code="PW-B03",
    title="kube-proxy in IPVS mode without strictARP beside an L2Advertisement",
    severity="warning",
    hop="node",
    run=_run,
    cause="IPVS puts every Service's addresses on the interface kube-ipvs0 of every node, and Linux answers ARP for "
    "any address that it has anywhere. Then all nodes answer, not the one that was elected. Portway's own proxy puts "
    "no address on any interface; its announcers notice and say LB_TWO_ANSWER.",
    mend="Set ipvs.strictARP (it sets arp_ignore=1 and arp_announce=2), or leave IPVS, which Kubernetes deprecates.",
    rule="KubeProxyConfiguration ipvs.strictARP; KEP-5495",
    fails=_proxy("{}"),
    passes=_proxy("{strictARP: true}"),
)
