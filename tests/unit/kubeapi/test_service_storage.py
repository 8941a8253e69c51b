"""Every create, update and delete of Kubernetes' storage tests, replayed in order: one instance is one cluster.

The random numbers are scripted, so that what is allocated must be exactly what upstream allocated: each draw is
answered with the number that upstream's result shows.
"""

import copy
import ipaddress
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from portway.kubeapi import metadata, service
from portway.kubeapi.allocators import AddressRange, PortRange
from portway.kubeapi.cluster import Cluster
from portway.kubeapi.errors import ApiError, Doc, not_found
from portway.kubeapi.errors import invalid as invalid_object
from tests.shared import cases

CIDRS = {"IPv4": "10.0.0.0/16", "IPv6": "2000::/108"}
BANDS = {family: AddressRange(cidr).bands[0] for family, cidr in CIDRS.items()} | {"port": PortRange().bands[0]}


class Script:
    """The random source: knows by the band's size which kind of number is drawn."""

    def __init__(self) -> None:
        self.numbers: dict[int, deque[int]] = {band.size: deque() for band in BANDS.values()}

    def expect(self, band: str, number: int) -> None:
        queue = self.numbers[BANDS[band].size]
        offset = number - BANDS[band].first
        if offset not in queue:  # ports that share a nodePort draw once
            queue.append(offset)

    def prepare(self, case: Doc) -> None:
        for queue in self.numbers.values():
            queue.clear()
        if case["op"] not in ("create", "update") or case["error"] or case["dryRun"]:
            return
        spec, origin = case["result"]["spec"], case["origin"]
        for address, item in zip(spec.get("clusterIPs", []), origin["clusterIPs"], strict=False):
            if item["from"] == "allocated":
                self.expect(item["family"], int(ipaddress.ip_address(address)))
        for port, how in zip(spec.get("ports", []), origin["nodePorts"], strict=False):
            if how == "allocated":
                self.expect("port", port["nodePort"])
        if origin["healthCheckNodePort"] == "allocated":
            self.expect("port", spec["healthCheckNodePort"])

    def pick(self, n: int) -> int:
        queue = self.numbers.get(n)
        return queue.popleft() if queue else n // 2


class Storage:
    """The API server's pipeline for Services, as kinds.py describes it, over a dictionary."""

    def __init__(self, families: list[str]) -> None:
        self.script = Script()
        cidrs = [CIDRS[family] for family in families]
        self.cluster = Cluster(cidrs, pick=self.script.pick, bare_allocators=True)
        self.stored: dict[str, Doc] = {}

    def recall(self, case: Doc) -> None:
        """Takes the state before the operation from the case: not every operation of an instance is in the table."""
        name = case["name"]
        before = case.get("old")
        if before is None and name in self.stored and case["op"] == "create":
            service.begin_delete(self.stored.pop(name), self.cluster).commit()
        elif before is not None:
            self.stored[name] = copy.deepcopy(before)
            self.cluster.observe(before)

    def run(self, case: Doc) -> Doc:
        document = case.get("object")
        operation: dict[str, Callable[[str, Any, bool], Doc]] = {
            "create": self.create,
            "update": self.update,
            "delete": self.delete,
            "updateStatus": self.status,
        }
        result = operation[case["op"]](case["name"], copy.deepcopy(document), case["dryRun"])
        service.on_read(result, self.cluster)
        return result

    def create(self, name: str, document: Doc, dry_run: bool) -> Doc:
        claims = service.begin_create(document, self.cluster, dry_run)
        service.prepare_create(document)
        found = metadata.validate(document, True, service.name_rule) + service.validate(document, None)
        return self.finish(name, document, claims, found, dry_run)

    def update(self, name: str, document: Doc, dry_run: bool) -> Doc:
        old = copy.deepcopy(self.stored[name])
        stamped = {field: old["metadata"].get(field) for field in ("uid", "resourceVersion", "creationTimestamp")}
        document["metadata"] = stamped | document["metadata"]
        claims = service.begin_update(document, old, self.cluster, dry_run)
        service.prepare_update(document, old)
        found = metadata.validate(document, True, service.name_rule, old) + service.validate(document, old)
        return self.finish(name, document, claims, found, dry_run)

    def finish(self, name: str, document: Doc, claims: Any, found: list[Any], dry_run: bool) -> Doc:
        if found:
            claims.rollback()
            raise invalid_object("Service", name, found)
        claims.commit()
        if not dry_run:
            self.stored[name] = copy.deepcopy(document)
        return document

    def status(self, name: str, document: Doc, dry_run: bool) -> Doc:
        old = copy.deepcopy(self.stored[name])
        document["spec"] = copy.deepcopy(old["spec"])
        if found := service.validate_status(document, old):
            raise invalid_object("Service", name, found)
        self.stored[name] = copy.deepcopy(document)
        return document

    def delete(self, name: str, _: None, dry_run: bool) -> Doc:
        if name not in self.stored:
            raise not_found("services", name)
        document = copy.deepcopy(self.stored[name])
        if not dry_run and not document["metadata"].get("finalizers"):
            service.begin_delete(self.stored.pop(name), self.cluster).commit()
        return document


def comparable(document: Doc) -> Doc:
    """Without what a store, not a hook, sets."""
    for field in ("uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"):
        document["metadata"].pop(field, None)
    return document


def outcome(storage: Storage, case: Doc) -> Doc:
    """The document, or the error as the table writes it."""
    storage.recall(case)
    storage.script.prepare(case)
    try:
        return comparable(storage.run(case))
    except ApiError as error:
        causes = (error.details or {}).get("causes") if error.code == 422 else None
        return {"code": error.code, "reason": error.reason, "message": error.message} | (
            {"causes": causes} if causes else {}
        )


def expected(case: Doc) -> Doc:
    error: Doc | None = case["error"]
    if error is None:
        return comparable(case["result"])
    causes = {"causes": error["causes"]} if error.get("causes") and error["code"] == 422 else {}
    return {field: error[field] for field in ("code", "reason", "message")} | causes


TABLE = cases("service_storage")
INSTANCES = sorted({case["storage"] for case in TABLE})


@pytest.mark.parametrize("instance", INSTANCES)
def test_replay(instance: int) -> None:
    operations = [case for case in TABLE if case["storage"] == instance]
    storage = Storage(operations[0]["clusterFamilies"])
    for case in operations:
        assert outcome(storage, case) == expected(case), f"seq {case['seq']}: {case['test']}, {case['case']}"
