"""What kube-apiserver 1.36 was seen to answer where Portway once answered otherwise: codes and words, one by one."""

import pytest

from tests.api.http import Doc, Http

MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"
PORTS = {"ports": [{"port": 80}]}


def service(name: str, **spec: object) -> Doc:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


@pytest.fixture
def services(http: Http, namespace: str) -> str:
    """A collection with the Service web in it."""
    path = f"/api/v1/namespaces/{namespace}/services"
    assert http.post(path, service("web", **PORTS)).code == 201
    return path


_VALIDATION = 'fieldValidation: Unsupported value: "X": supported values: "", "Ignore", "Strict", "Warn"'
_MATCH = "resourceVersionMatch: Forbidden: "


@pytest.mark.parametrize(
    ("method", "query", "kind", "words"),
    [
        ("POST", "dryRun=X", "CreateOptions", 'dryRun: Unsupported value: ["X"]: supported values: "All"'),
        ("PUT", "fieldValidation=X", "UpdateOptions", _VALIDATION),
        ("PATCH", "force=true", "PatchOptions", "force: Forbidden: may not be specified for non-apply patch"),
        (
            "POST",
            f"fieldManager={'x' * 129}",
            "CreateOptions",
            "fieldManager: Too long: may not be more than 128 bytes",
        ),
        ("DELETE", "dryRun=X", "DeleteOptions", 'dryRun: Unsupported value: ["X"]: supported values: "All"'),
        ("DELETE", "propagationPolicy=X", "DeleteOptions", 'propagationPolicy: Unsupported value: "X"'),
        (
            "GET",
            "resourceVersionMatch=Exact",
            "ListOptions",
            f"{_MATCH}resourceVersionMatch is forbidden unless resourceVersion is provided",
        ),
        (
            "GET",
            "resourceVersionMatch=Exact&resourceVersion=0",
            "ListOptions",
            f'{_MATCH}resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
        ),
        (
            "GET",
            "watch=1&sendInitialEvents=true",
            "ListOptions",
            f"{_MATCH}sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        ),
        (
            "GET",
            "sendInitialEvents=true",
            "ListOptions",
            "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list",
        ),
    ],
)
def test_options(http: Http, services: str, method: str, query: str, kind: str, words: str) -> None:
    path = services if method in ("GET", "POST") else f"{services}/web"
    body = None if method in ("GET", "DELETE") else service("web", **PORTS)
    answer = http.send(method, f"{path}?{query}", body, Content_Type=MERGE if method == "PATCH" else "application/json")
    assert (answer.code, answer.doc["reason"], answer.doc["details"]["kind"]) == (422, "Invalid", kind)
    assert answer.message.startswith(f'{kind}.meta.k8s.io "" is invalid: {words}')


def test_two_wrong_options_are_named_together(http: Http, services: str) -> None:
    answer = http.send("PUT", f"{services}/web?dryRun=X&fieldValidation=X", service("web", **PORTS))
    assert [cause["field"] for cause in answer.doc["details"]["causes"]] == ["dryRun", "fieldValidation"]


def test_a_form_that_there_is_not(http: Http, services: str) -> None:
    answer = http.get(f"{services}/web", Accept="text/html")
    assert (answer.code, answer.doc["reason"]) == (406, "NotAcceptable")
    assert answer.message == (
        "406: Not Acceptable\n\nAvailable representations: "
        "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    )
    assert http.get(f"{services}/web", Accept="text/html, */*").code == 200


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"foo": 1, "bar": 2}, ".spec.bar: field not declared in schema"),
        (
            {"ports": [{"port": 80, "protocol": "TCP"}] * 2},
            '.spec.ports: duplicate entries for key [port=80,protocol="TCP"]',
        ),
    ],
)
def test_what_is_applied_must_fit_the_schema(http: Http, services: str, spec: Doc, why: str) -> None:
    """fieldValidation does not matter here, and the code is 500 there too."""
    for query in ("fieldManager=me", "fieldManager=me&force=true&fieldValidation=Ignore"):
        answer = http.send("PATCH", f"{services}/web?{query}", service("web", **spec), Content_Type=APPLY)
        assert (answer.code, answer.message) == (
            500,
            f"failed to create typed patch object (/web; /v1, Kind=Service): {why}",
        )


def test_an_external_name_has_no_internal_policy(http: Http, services: str) -> None:
    change = {"type": "ExternalName", "externalName": "example.com", "clusterIP": None, "clusterIPs": None}
    answer = http.send("PATCH", f"{services}/web", {"spec": change}, Content_Type=MERGE)
    assert answer.code == 200
    assert answer.doc["spec"] == {
        "type": "ExternalName",
        "externalName": "example.com",
        "sessionAffinity": "None",
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
    }


def test_the_ranges_are_a_service_cidr(http: Http) -> None:
    found = http.get("/apis/networking.k8s.io/v1/servicecidrs/kubernetes").doc
    assert found["spec"] == {"cidrs": ["10.96.0.0/16", "fd00:96::/112"]}
    [condition] = found["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["message"]) == (
        "Ready",
        "True",
        "Kubernetes default Service CIDR is ready",
    )


def test_what_is_not_said_is_written(http: Http, namespace: str) -> None:
    """An endpoint's conditions and a policy's podSelector have no "omitempty"."""
    piece = {"metadata": {"name": "a"}, "addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}]}
    made = http.post(f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices", piece).doc
    assert made["endpoints"] == [{"addresses": ["10.0.0.1"], "conditions": {}}]
    policy = {"metadata": {"name": "a"}, "spec": {}}
    made = http.post(f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies", policy).doc
    assert made["spec"] == {"podSelector": {}, "policyTypes": ["Ingress"]}


def test_endpoints_are_deprecated(http: Http, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/endpoints"
    warning = '299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"'
    for answer in (http.get(path), http.get(f"{path}/none"), http.post(path, {"metadata": {"name": "a"}})):
        assert answer.headers["Warning"] == warning
    assert http.get(f"/api/v1/namespaces/{namespace}/configmaps").headers["Warning"] is None


def test_a_precondition_of_a_deletion(http: Http, services: str) -> None:
    uid = http.get(f"{services}/web").doc["metadata"]["uid"]
    answer = http.send("DELETE", f"{services}/web", {"preconditions": {"uid": "another"}})
    assert (answer.code, answer.doc["details"]) == (409, {"name": "web", "kind": "Service"})
    assert answer.message == (
        'Operation cannot be fulfilled on Service "web": the UID in the precondition (another) does not match the UID '
        f"in record ({uid}). The object might have been deleted and then recreated"
    )
