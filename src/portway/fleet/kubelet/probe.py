"""Readiness probes of containers run as processes: httpGet, tcpSocket, exec; Kubernetes' timing and thresholds.

Source: pkg/kubelet/prober (worker.go, prober.go); a probe comes from the node, to the pod's address.
"""

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable, Sequence

from portway.kubeapi.errors import Doc
from portway.model.address import host_port

Exec = Callable[[Sequence[str]], Awaitable[int]]
"""Runs a command in the pod and gives its exit code."""


class Failed(Exception):
    """The probe's answer is no; the text says why."""


async def watch_readiness(
    probe: Doc, ports: Sequence[Doc], pod_ip: str, run: Exec, tell: Callable[[bool, str], None]
) -> None:
    """Probe until cancelled. `tell(ready, why)` is called when readiness changes; a container begins unready."""
    ready, successes, failures = False, 0, 0
    await asyncio.sleep(probe.get("initialDelaySeconds") or 0)
    while True:
        try:
            async with asyncio.timeout(probe.get("timeoutSeconds") or 1):
                await check(probe, ports, pod_ip, run)
            successes, failures, why = successes + 1, 0, ""
        except (Failed, OSError) as error:
            # TimeoutError is an OSError without words
            successes, failures, why = 0, failures + 1, str(error) or "context deadline exceeded"
        if not ready and successes >= (probe.get("successThreshold") or 1):
            ready = True
            tell(True, "")
        elif failures >= (probe.get("failureThreshold") or 3) or (failures and not ready):
            if ready or failures == 1:
                tell(False, f"Readiness probe failed: {why}")
            ready = False
        await asyncio.sleep(probe.get("periodSeconds") or 10)


async def check(probe: Doc, ports: Sequence[Doc], pod_ip: str, run: Exec) -> None:
    """One probe. Raises Failed or OSError."""
    if http := probe.get("httpGet"):
        await _http(http, port_number(http.get("port"), ports), http.get("host") or pod_ip)
    elif tcp := probe.get("tcpSocket"):
        _, writer = await _dialled(tcp.get("host") or pod_ip, port_number(tcp.get("port"), ports))
        writer.close()
    elif (command := probe.get("exec")) and (code := await run(command.get("command") or [])):
        raise Failed(f"command exited with code {code}")


def port_number(port: object, ports: Sequence[Doc]) -> int:
    """A probe's port: a number, or the name of one of the container's ports."""
    if isinstance(port, int):
        return port
    for declared in ports:
        if declared.get("name") == port:
            return int(declared["containerPort"])
    if isinstance(port, str) and port.isdigit():
        return int(port)
    raise Failed(f"couldn't find port: {port}")


async def _dialled(
    host: str, port: int, context: ssl.SSLContext | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        return await asyncio.open_connection(host, port, ssl=context)
    except ConnectionError as error:
        raise Failed(f"dial tcp {host_port(host, port)}: connect: {os.strerror(error.errno or 0).lower()}") from None


async def _http(action: Doc, port: int, host: str) -> None:
    context = None
    if action.get("scheme") == "HTTPS":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await _dialled(host, port, context)
    try:
        writer.write(_request(action, host, port))
        status = await reader.readline()
    finally:
        writer.close()
    words = status.split()
    if len(words) < 2 or not words[1].isdigit():
        raise Failed("malformed HTTP response")
    if not 200 <= int(words[1]) < 400:
        raise Failed(f"HTTP probe failed with statuscode: {int(words[1])}")


def _request(action: Doc, host: str, port: int) -> bytes:
    path = action.get("path") or "/"
    given = {header.get("name", ""): header.get("value", "") for header in action.get("httpHeaders") or []}
    headers = {
        "Host": host_port(host, port),
        "User-Agent": "kube-probe/portway",
        "Accept": "*/*",
        "Connection": "close",
    }
    lines = [f"{name}: {value}" for name, value in (headers | given).items()]
    return "\r\n".join([f"GET {path if path.startswith('/') else '/' + path} HTTP/1.1", *lines, "", ""]).encode()
