"""The client over TLS, with what a kubeconfig says."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml

from portway.client import Api, BadKubeconfig, Reflector, Unreachable
from portway.kubeapi.errors import ApiError
from portway.reconcile.resources import NAMESPACES
from portway.testing import apiserver


def edited(server: apiserver.Server, **cluster: Any) -> Path:
    """The administrator's kubeconfig with fields of its cluster replaced."""
    document = yaml.safe_load(server.kubeconfig.read_text())
    document["clusters"][0]["cluster"] |= cluster
    path = server.folder / "edited"
    path.write_text(yaml.safe_dump({**document}))
    return path


async def names(api: Api) -> set[str]:
    return {item["metadata"]["name"] for item in (await api.list(NAMESPACES))[0]}


async def test_a_client_certificate_over_tls(tmp_path: Path) -> None:
    with apiserver.start(tmp_path) as server:
        async with Api.from_kubeconfig(server.kubeconfig) as api:
            assert "default" in await names(api)
            reflector: Reflector[dict[str, Any]] = Reflector(api, NAMESPACES)
            running = asyncio.create_task(reflector.run())
            async with asyncio.timeout(60):
                await reflector.synced.wait()
            assert ("", "kube-system") in reflector.objects
            running.cancel()


async def test_what_tls_refuses_and_how_it_is_allowed(tmp_path: Path) -> None:
    with apiserver.start(tmp_path) as server:
        async with Api.from_kubeconfig(edited(server, **{"tls-server-name": "elsewhere.example"})) as api:
            with pytest.raises(Unreachable, match=r"elsewhere\.example") as caught:
                await names(api)
            assert "\n" not in str(caught.value)
        async with Api.from_kubeconfig(edited(server, **{"tls-server-name": "localhost"})) as api:
            assert "default" in await names(api)
        unknown = {"certificate-authority-data": None, "insecure-skip-tls-verify": False}
        async with Api.from_kubeconfig(edited(server, **unknown)) as api:
            with pytest.raises(Unreachable, match="certificate"):
                await names(api)
        async with Api.from_kubeconfig(edited(server, **(unknown | {"insecure-skip-tls-verify": True}))) as api:
            assert "default" in await names(api)


async def test_nobody_is_turned_away_with_the_servers_words(tmp_path: Path) -> None:
    with apiserver.start(tmp_path) as server:
        document = yaml.safe_load(server.kubeconfig.read_text())
        document["users"][0]["user"] = {"token": "wrong"}
        path = tmp_path / "stranger"
        path.write_text(yaml.safe_dump(document))
        async with Api.from_kubeconfig(path) as api:
            with pytest.raises(ApiError) as caught:
                await names(api)
        assert (caught.value.code, caught.value.reason) == (401, "Unauthorized")


async def test_a_certificate_that_is_none(tmp_path: Path) -> None:
    with apiserver.start(tmp_path) as server:
        bad = {"certificate-authority-data": "bm90IGEgY2VydGlmaWNhdGU="}
        async with Api.from_kubeconfig(edited(server, **bad)) as api:
            with pytest.raises(BadKubeconfig, match="certificates for https://127"):
                await names(api)
