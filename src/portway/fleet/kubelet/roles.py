"""What runs in a container: a program of this machine, a server that the kubelet plays, or a stand-in. Pure.

A pod chooses with the annotation portway.dev/runtime, and whoever starts the fleet with `portway up --process`.
"""

from collections.abc import Mapping

from portway.fleet.kubelet import agnhost_programs
from portway.kubeapi.errors import Doc

RUNTIME_ANNOTATION = "portway.dev/runtime"


def as_processes(pod: Doc) -> bool:
    """Whether the pod wants its containers to run as processes."""
    return (pod["metadata"].get("annotations") or {}).get(RUNTIME_ANNOTATION) == "process"


def program(pod: Doc, container: Doc, images: Mapping[str, str]) -> Doc | None:
    """The container as a process to run, its `command` and `args` complete; None: something else answers for it.

    `images`: what containers of an image run if they name no command, by image; "": nothing.
    """
    entry = next((run for image, run in images.items() if is_of(container.get("image") or "", image)), None)
    if as_processes(pod):
        entry = entry or ""
    elif entry is None or agnhost_programs.is_agnhost(container):
        return None
    command = container.get("command") or ([entry] if entry else [])
    return container | {"command": command} if command or container.get("args") else None


def is_of(image: str, wanted: str) -> bool:
    """Whether a container's image is the one that `wanted` names, with or without registry, tag and digest."""
    plain = image.partition("@")[0]
    untagged = plain if ":" not in plain.rpartition("/")[2] else plain.rpartition(":")[0]
    return any(name == wanted or name.endswith(f"/{wanted}") for name in (image, plain, untagged))
