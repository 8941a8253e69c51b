"""The Node object of a fleet's node."""

import os
import platform
from pathlib import Path
from typing import Any

from portway import __version__
from portway.fleet.config import NodePlan
from portway.kubeapi.errors import Doc

_PODS = "250"
"""A /24 has 253 addresses for pods, of which some rest."""
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def node_document(node: NodePlan, version: str, now: str) -> Doc:
    """The whole Node, status included. `version`: of Kubernetes ("v1.36.0"); `now`: RFC 3339."""
    arch = _ARCHITECTURES.get(platform.machine(), platform.machine())
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name, "labels": _labels(node, arch), "annotations": {}},
        "spec": {
            "podCIDR": node.pod_cidrs[0],
            "podCIDRs": list(node.pod_cidrs),
            "providerID": f"portway://{node.zone}/{node.name}",
        },
        "status": node_status(node, version, arch, now),
    }


def _labels(node: NodePlan, arch: str) -> dict[str, str]:
    return {
        "kubernetes.io/hostname": node.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": arch,
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": arch,
        "topology.kubernetes.io/zone": node.zone,
        "topology.kubernetes.io/region": node.region,
    }


def node_status(node: NodePlan, version: str, arch: str, now: str) -> Doc:
    """The Node's status: this machine, and Ready."""
    resources = {
        "cpu": str(os.cpu_count() or 1),
        "memory": _memory(),
        "ephemeral-storage": "100Gi",
        "pods": _PODS,
    }
    return {
        "capacity": resources,
        "allocatable": resources,
        "addresses": [
            *({"type": "InternalIP", "address": address} for address in node.addresses),
            {"type": "Hostname", "address": node.name},
        ],
        "conditions": list(_conditions(now)),
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
        "nodeInfo": _node_info(version, arch),
        "images": [],
    }


def _conditions(now: str) -> list[dict[str, Any]]:
    facts = (
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    )
    return [
        {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
        }
        for kind, status, reason, message in facts
    ]


def _node_info(version: str, arch: str) -> dict[str, str]:
    return {
        "machineID": "",
        "systemUUID": "",
        "bootID": "",
        "kernelVersion": platform.release(),
        "osImage": _os_image(),
        "containerRuntimeVersion": f"portway://{__version__}",
        "kubeletVersion": version,
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": arch,
    }


def _os_image() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"


def _memory() -> str:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal:"):
            return f"{line.split()[1]}Ki"
    return "0"
