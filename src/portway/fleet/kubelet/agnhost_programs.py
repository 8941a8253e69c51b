"""Which servers a container of the image agnhost runs: netexec, serve-hostname, porter or test-webserver, by its words.

The image of Kubernetes' own tests is not here, so a pod of it would answer nothing that they expect. Pure values; who
answers is agnhost_servers.py. Source of words and defaults: test/images/agnhost of Kubernetes 1.36.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from portway.fleet.kubelet.standin import Port
from portway.fleet.mounts import Mount
from portway.kubeapi.errors import Doc

_IMAGE = re.compile(r"(?:^|/)agnhost(?:[:@]|$)")
_SLEEP = re.compile(r"\bsleep (\d+)")
_SWITCHES = frozenset({"tcp", "udp", "http", "close", "json-response"})
_PORTER = re.compile(r"SERVE_(?:(TCP|UDP|TLS)_)?PORT_(\d+)")


class Server(Struct, frozen=True):
    """A port of such a container.

    `speaks`: "netexec", "hostname" (says it and nothing else), "text", "json", or "files" (of the container's volumes).
    """

    port: Port
    speaks: str
    text: str = ""
    raw: bool = False
    """Over TCP without HTTP: who connects is told, and that is all."""
    tls: bool = False
    files: tuple[Mount, ...] = ()


def is_agnhost(container: Doc) -> bool:
    """Whether its image is that one, of whatever registry and version, and its program is not a shell or the like."""
    command = container.get("command") or ["agnhost"]
    return bool(_IMAGE.search(container.get("image") or "")) and command[0].rpartition("/")[2] == "agnhost"


def servers(container: Doc) -> list[Server]:
    """What it serves: nothing, where it is `pause` (the default) or a program that nobody plays here."""
    words = [str(word) for word in (container.get("command") or ["agnhost"])[1:] + (container.get("args") or [])]
    name, flags = (words or ["pause"])[0], _flags(words[1:])
    if name == "netexec":
        return list(_netexec(flags))
    if name == "serve-hostname":
        return list(_serve_hostname(flags))
    if name == "porter":
        return list(_porter(container.get("env") or (), "json" if "json-response" in flags else "text"))
    if name == "test-webserver":
        return [Server(Port(_port(flags, "port", 80) or 80, "TCP"), "files")]
    return []


def lingers(container: Doc) -> float:
    """Seconds that it still serves when its pod is deleted: its preStop hook's, and netexec's --delay-shutdown."""
    flags = _flags([str(word) for word in (container.get("command") or []) + (container.get("args") or [])])
    return hook_seconds(container) + _number(flags.get("delay-shutdown", ""))


def hook_seconds(container: Doc) -> float:
    """Seconds that its preStop hook sleeps before it is told to end."""
    hook = (container.get("lifecycle") or {}).get("preStop") or {}
    words = " ".join(str(word) for word in (hook.get("exec") or {}).get("command") or ())
    slept = _SLEEP.search(words)
    return float((hook.get("sleep") or {}).get("seconds") or (slept[1] if slept else 0))


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _flags(words: Sequence[str]) -> Mapping[str, str]:
    """`--name=value`, `--name value`, and `--name` of what is true or false."""
    flags: dict[str, str] = {}
    waiting = ""
    for word in words:
        if waiting:
            flags[waiting], waiting = word, ""
        elif word.startswith("-"):
            name, given, value = word.lstrip("-").partition("=")
            if given or name in _SWITCHES:
                flags[name] = value if given else "true"
            else:
                waiting = name
    return flags


def _port(flags: Mapping[str, str], name: str, default: int) -> int:
    """0 where it is none: agnhost ends there or serves nothing."""
    number = _number(flags.get(name, str(default)))
    return number if number < 65536 else 0


def _netexec(flags: Mapping[str, str]) -> Iterator[Server]:
    for protocol, name, default in (("TCP", "http-port", 8080), ("UDP", "udp-port", 8081)):
        if port := _port(flags, name, default):
            yield Server(Port(port, protocol), "netexec")


def _serve_hostname(flags: Mapping[str, str]) -> Iterator[Server]:
    if not (port := _port(flags, "port", 9376)):
        return
    if flags.get("http", "true") == "true":
        yield Server(Port(port, "TCP"), "hostname")
    elif flags.get("tcp") == "true":
        yield Server(Port(port, "TCP"), "hostname", raw=True)
    if flags.get("udp") == "true":
        yield Server(Port(port, "UDP"), "hostname")


def _porter(variables: Sequence[Doc], speaks: str) -> Iterator[Server]:
    for variable in variables:
        found = _PORTER.fullmatch(variable.get("name") or "")
        if found:
            protocol = "UDP" if found[1] == "UDP" else "TCP"
            yield Server(Port(int(found[2]), protocol), speaks, variable.get("value") or "", tls=found[1] == "TLS")
