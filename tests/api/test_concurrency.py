"""Many clients at once. Explicit ports are of the band that no automatic choice comes from (30000 to 30085)."""

import asyncio

from portway.client import Api
from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.kinds import Resource
from portway.testing import apiserver

SERVICES = Resource("", "v1", "services")
MAPS = Resource("", "v1", "configmaps")


def service(name: str, namespace: str, **port: object) -> Doc:
    spec = {"type": "NodePort", "ports": [{"port": 80} | port]}
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


def node_port(doc: Doc) -> int:
    return int(doc["spec"]["ports"][0]["nodePort"])


async def test_parallel_creates_never_share_a_port(api: Api, namespace: str) -> None:
    stored = await asyncio.gather(*(api.create(SERVICES, service(f"s{n}", namespace)) for n in range(50)))
    assert len({node_port(doc) for doc in stored}) == 50
    assert len({doc["spec"]["clusterIP"] for doc in stored}) == 50


async def test_of_many_that_want_one_port_one_gets_it(api: Api, namespace: str) -> None:
    wanted = [service(f"s{n}", namespace, nodePort=30050) for n in range(20)]
    answers = await asyncio.gather(*(api.create(SERVICES, doc) for doc in wanted), return_exceptions=True)
    assert sum(isinstance(answer, dict) for answer in answers) == 1
    refused = [answer for answer in answers if isinstance(answer, ApiError)]
    assert len(refused) == 19
    assert all("provided port is already allocated" in error.message for error in refused)


async def test_a_refused_request_keeps_nothing(api: Api, namespace: str) -> None:
    taken = await api.create(SERVICES, service("x", namespace))
    again = await asyncio.gather(
        *(api.create(SERVICES, service("x", namespace, nodePort=30020 + n)) for n in range(10)), return_exceptions=True
    )
    assert [getattr(error, "code", 0) for error in again] == [409] * 10
    freed = await asyncio.gather(
        *(api.create(SERVICES, service(f"y{n}", namespace, nodePort=30020 + n)) for n in range(10))
    )
    assert {node_port(doc) for doc in freed} == set(range(30020, 30030))
    await api.delete(SERVICES, namespace, "x")
    again_free = await api.create(SERVICES, service("z", namespace, nodePort=node_port(taken)))
    assert node_port(again_free) == node_port(taken)


async def test_patches_of_one_document_all_arrive(api: Api, namespace: str) -> None:
    await api.create(MAPS, {"metadata": {"name": "x", "namespace": namespace}})
    await asyncio.gather(*(api.patch(MAPS, namespace, "x", {"data": {f"k{n}": "v"}}) for n in range(40)))
    assert len((await api.get(MAPS, namespace, "x"))["data"]) == 40


async def test_of_many_updates_of_one_version_one_wins(api: Api, namespace: str) -> None:
    stored = await api.create(MAPS, {"metadata": {"name": "x", "namespace": namespace}})
    wanted = [stored | {"data": {"n": str(n)}} for n in range(20)]
    answers = await asyncio.gather(*(api.replace(MAPS, doc) for doc in wanted), return_exceptions=True)
    assert sorted(getattr(answer, "code", 200) for answer in answers) == [200] + [409] * 19


async def test_ports_are_known_again_after_a_restart(fresh_server: apiserver.Server) -> None:
    async with Api.unix(fresh_server.unix) as api:
        first = await api.create(SERVICES, service("x", "default", nodePort=30010))
        await asyncio.to_thread(fresh_server.kill)
        await asyncio.to_thread(fresh_server.start)
        assert await api.get(SERVICES, "default", "x") == first
        answers = await asyncio.gather(
            api.create(SERVICES, service("y", "default", nodePort=30010)), return_exceptions=True
        )
        assert "provided port is already allocated" in str(answers[0])
