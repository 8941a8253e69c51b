"""Requests and answers, as a client sees them."""

import json
from collections.abc import Callable

import pytest

from tests.api.http import Doc, Http


def configmap(name: str, **data: str) -> Doc:
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}, "data": data}


def pod(name: str, **spec: object) -> Doc:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}]} | spec}


Path = Callable[..., str]


@pytest.fixture
def maps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


@pytest.fixture
def pods(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


def test_create_fills_what_only_the_server_knows(http: Http, maps: str, namespace: str) -> None:
    created = http.post(maps, configmap("x", a="1"))
    assert created.code == 201
    metadata = created.doc["metadata"]
    assert metadata["namespace"] == namespace and metadata["uid"] and metadata["creationTimestamp"].endswith("Z")
    assert http.get(f"{maps}/x").doc == created.doc
    assert list(created.doc)[:3] == ["kind", "apiVersion", "metadata"]


def test_what_exists_is_not_created_again(http: Http, maps: str) -> None:
    http.post(maps, configmap("x"))
    again = http.post(maps, configmap("x"))
    assert (again.code, again.message) == (409, 'configmaps "x" already exists')
    assert again.doc["details"] == {"name": "x", "kind": "configmaps"}


def test_generated_names_do_not_collide(http: Http, maps: str) -> None:
    names = {http.post(maps, {"metadata": {"generateName": "n-"}}).doc["metadata"]["name"] for _ in range(20)}
    assert len(names) == 20
    assert all(len(name) == len("n-") + 5 for name in names)


REFUSED = [
    ("POST", "/api/v1/namespaces/absent/configmaps", configmap("x"), 404, 'namespaces "absent" not found'),
    (
        "POST",
        "{maps}",
        configmap("x") | {"metadata": {"name": "x", "namespace": "other"}},
        400,
        "the namespace of the provided object does not match the namespace sent on the request",
    ),
    (
        "POST",
        "{maps}",
        configmap("x") | {"apiVersion": "v2"},
        400,
        "the API version in the data (v2) does not match the expected API version (v1)",
    ),
    ("POST", "{maps}", configmap("X"), 422, 'ConfigMap "X" is invalid: metadata.name: Invalid value: "X": a lowercase'),
    (
        "POST",
        "{maps}",
        {"metadata": {}},
        422,
        'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required',
    ),
    ("GET", "{maps}/absent", None, 404, 'configmaps "absent" not found'),
    ("PUT", "{maps}/absent", configmap("absent"), 404, 'configmaps "absent" not found'),
    ("DELETE", "{maps}/absent", None, 404, 'configmaps "absent" not found'),
    ("GET", "/api/v1/nothings", None, 404, "the server could not find the requested resource"),
    ("GET", "/nowhere", None, 404, "the server could not find the requested resource"),
    ("GET", "{maps}/x/status", None, 404, "the server could not find the requested resource"),
    ("POST", "/api/v1/configmaps", configmap("x"), 405, "the server does not allow this method"),
    ("PUT", "{maps}", configmap("x"), 405, "the server does not allow this method"),
    ("POST", "{maps}", b"{", 400, "the object provided is not valid JSON"),
    ("POST", "{maps}", b'{"metadata":[]}', 400, "cannot be handled as a ConfigMap: json: cannot unmarshal array"),
    ("POST", "{maps}", b'{"metadata":{"name":1}}', 400, "json: cannot unmarshal number"),
    ("POST", "{maps}", b'{"kind":["x"]}', 400, 'in version "v1" cannot be handled as a ConfigMap'),
    ("POST", "{maps}", b'{"x":' + b"[" * 700 + b"]" * 700 + b"}", 400, "nested too deeply: more than 100 levels"),
    ("POST", "{maps}", b"[" * 100_000, 400, "the object provided is not valid JSON"),
    ("PATCH", "{maps}/x", b"{}", 415, "the body of the request was in an unknown format"),
    ("POST", "{maps}", b"[]", 400, "the object provided is unrecognized (must be of type ConfigMap)"),
    ("POST", "{maps}", b"", 400, "the object provided is unrecognized (must be of type ConfigMap)"),
    ("POST", "{maps}", b"x" * (3 * 2**20 + 1), 413, "Request entity is too large: limit is 3145728"),
    ("POST", "{maps}?dryRun=Some", configmap("x"), 422, 'dryRun: Unsupported value: ["Some"]: supported values: "All"'),
    ("GET", "{maps}?resourceVersion=x", None, 400, "resourceVersion must be a number"),
    ("GET", "{maps}?resourceVersion=99999999", None, 504, "Too large resource version: 99999999"),
    ("GET", "{maps}?watch=1&resourceVersion=-1", None, 400, "resourceVersion must be a number"),
    ("GET", f"{{maps}}?resourceVersion={'9' * 5000}", None, 400, "resourceVersion must be a number"),
    ("GET", f"{{maps}}?limit={'9' * 5000}", None, 400, "invalid syntax"),
    ("GET", "{maps}?limit=x", None, 400, "invalid syntax"),
    ("GET", "{maps}?continue=x", None, 400, "continue key is not valid"),
    ("GET", "{maps}?fieldSelector=spec.x%3D1", None, 400, "known field selector"),
    ("GET", "{maps}?labelSelector=a%20b", None, 400, "found 'b'"),
]


@pytest.mark.parametrize(("method", "path", "body", "code", "message"), REFUSED)
def test_refusals(http: Http, maps: str, method: str, path: str, body: object, code: int, message: str) -> None:
    answer = http.send(method, path.format(maps=maps), body)
    assert (answer.code, answer.doc["kind"], answer.doc["status"]) == (code, "Status", "Failure")
    assert answer.doc["code"] == code
    assert message in answer.message


def test_media_types(http: Http, maps: str) -> None:
    assert http.post(maps, b"<x/>", Content_Type="text/xml").code == 415
    yaml = http.post(maps, b"metadata: {name: from-yaml}\ndata: {a: '1'}\n", Content_Type="application/yaml")
    assert (yaml.code, yaml.doc["data"]) == (201, {"a": "1"})
    bad = http.post(maps, b"a: [", Content_Type="application/yaml")
    assert (bad.code, "the object provided is not valid YAML" in bad.message) == (400, True)
    shown = http.get(f"{maps}/from-yaml", Accept="application/yaml")
    assert shown.headers["Content-Type"] == "application/yaml"
    assert "data:\n  a: '1'\n" in shown.text
    assert http.get(f"{maps}/from-yaml", Accept="application/vnd.kubernetes.protobuf").doc["data"] == {"a": "1"}


def test_update_needs_the_stored_version_if_it_names_one(http: Http, maps: str) -> None:
    first = http.post(maps, configmap("x", a="1")).doc
    second = http.put(f"{maps}/x", first | {"data": {"a": "2"}})
    assert second.code == 200
    stale = http.put(f"{maps}/x", first | {"data": {"a": "3"}})
    assert stale.code == 409
    assert stale.message == (
        'Operation cannot be fulfilled on configmaps "x": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    unconditional = http.put(f"{maps}/x", configmap("x", a="4"))
    assert (unconditional.code, unconditional.doc["metadata"]["uid"]) == (200, first["metadata"]["uid"])


def test_an_update_that_changes_nothing_is_not_written(http: Http, maps: str) -> None:
    first = http.post(maps, configmap("x", a="1")).doc
    assert http.put(f"{maps}/x", configmap("x", a="1")).doc == first
    assert http.patch(f"{maps}/x", {"data": {"a": "1"}}).doc == first


def test_identity_cannot_change(http: Http, maps: str) -> None:
    first = http.post(maps, configmap("x")).doc
    renamed = http.put(f"{maps}/x", configmap("y"))
    assert renamed.message == "the name of the object (y) does not match the name on the URL (x)"
    other = http.put(f"{maps}/x", {"metadata": {"name": "x", "uid": "7"}})
    assert other.code == 409
    assert f"UID in precondition: 7, UID in object meta: {first['metadata']['uid']}" in other.message
    aged = http.patch(f"{maps}/x", {"metadata": {"creationTimestamp": "2001-01-01T00:00:00Z"}})
    assert (aged.code, "field is immutable" in aged.message) == (422, True)


PATCHES = [
    ("merge-patch", {"data": {"a": None, "b": "2"}}, {"b": "2"}),
    ("strategic-merge-patch", {"data": {"b": "2"}}, {"a": "1", "b": "2"}),
    ("json-patch", [{"op": "replace", "path": "/data/a", "value": "3"}], {"a": "3"}),
]


@pytest.mark.parametrize(("form", "patch", "data"), PATCHES)
def test_patches(http: Http, maps: str, form: str, patch: object, data: Doc) -> None:
    http.post(maps, configmap("x", a="1"))
    assert http.patch(f"{maps}/x", patch, form).doc["data"] == data


def test_dry_runs_answer_and_change_nothing(http: Http, maps: str) -> None:
    created = http.post(f"{maps}?dryRun=All", configmap("x"))
    assert (created.code, "resourceVersion" in created.doc["metadata"]) == (201, False)
    assert http.get(f"{maps}/x").code == 404
    stored = http.post(maps, configmap("x", a="1")).doc
    assert http.patch(f"{maps}/x?dryRun=All", {"data": {"a": "2"}}).doc["data"] == {"a": "2"}
    assert http.delete(f"{maps}/x?dryRun=All").code == 200
    assert http.delete(f"{maps}/x", {"dryRun": ["All"]}).code == 200
    assert http.get(f"{maps}/x").doc == stored


def test_field_validation(http: Http, maps: str) -> None:
    body = configmap("x") | {"spec": {}}
    strict = http.post(f"{maps}?fieldValidation=Strict", body)
    assert strict.code == 400 and 'unknown field "spec"' in strict.message
    warned = http.post(maps, body)
    assert warned.headers["Warning"] == '299 - "unknown field \\"spec\\""'
    twice = http.post(f"{maps}?fieldValidation=Strict", b'{"metadata":{"name":"y"},"data":{},"data":{}}')
    assert 'duplicate field "data"' in twice.message


def test_lists_in_pages_are_of_one_moment(http: Http, maps: str) -> None:
    for name in "abcde":
        http.post(maps, configmap(name))
    first = http.get(f"{maps}?limit=2").doc
    assert first["metadata"]["remainingItemCount"] == 3
    http.delete(f"{maps}/d")
    http.post(maps, configmap("f"))
    rest = http.get(f"{maps}?limit=500&continue={first['metadata']['continue']}").doc
    names = [item["metadata"]["name"] for item in [*first["items"], *rest["items"]]]
    assert names == list("abcde")
    assert rest["metadata"] == {"resourceVersion": first["metadata"]["resourceVersion"]}
    assert [item["metadata"]["name"] for item in http.get(maps).doc["items"]] == list("abcef")


def test_selectors(http: Http, maps: str) -> None:
    for name, color in (("a", "red"), ("b", "blue")):
        http.post(maps, {"metadata": {"name": name, "labels": {"color": color}}})

    def names(query: str) -> list[str]:
        return [item["metadata"]["name"] for item in http.get(f"{maps}?{query}").doc["items"]]

    assert names("labelSelector=color%3Dred") == ["a"]
    assert names("labelSelector=color%20in%20(red,blue)") == ["a", "b"]
    assert names("labelSelector=!color") == []
    assert names("fieldSelector=metadata.name!%3Da") == ["b"]


TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PARTIAL = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"


def test_shapes(http: Http, maps: str) -> None:
    http.post(maps, configmap("x", a="1"))
    table = http.get(maps, Accept=TABLE).doc
    assert (table["kind"], table["rows"][0]["cells"][:2]) == ("Table", ["x", 1])
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    assert http.get(f"{maps}/x", Accept=TABLE).doc["kind"] == "Table"
    partial = http.get(maps, Accept=PARTIAL).doc
    assert (partial["kind"], set(partial["items"][0])) == (
        "PartialObjectMetadataList",
        {"kind", "apiVersion", "metadata"},
    )


def test_deletion_with_preconditions(http: Http, maps: str) -> None:
    created = http.post(maps, configmap("x")).doc["metadata"]
    assert http.delete(f"{maps}/x", {"preconditions": {"uid": "7"}}).code == 409
    assert http.delete(f"{maps}/x", {"preconditions": {"resourceVersion": "1"}}).code == 409
    gone = http.delete(f"{maps}/x", {"preconditions": {"uid": created["uid"]}})
    assert gone.doc["status"] == "Success"
    assert gone.doc["details"] == {"name": "x", "kind": "configmaps", "uid": created["uid"]}


def test_finalizers_hold_a_document(http: Http, maps: str) -> None:
    http.post(maps, {"metadata": {"name": "x", "finalizers": ["example.com/f"]}})
    marked = http.delete(f"{maps}/x").doc["metadata"]
    assert marked["deletionTimestamp"] and marked["deletionGracePeriodSeconds"] == 0
    more = http.patch(f"{maps}/x", {"metadata": {"finalizers": ["example.com/f", "example.com/g"]}})
    assert (more.code, "no new finalizers can be added" in more.message) == (422, True)
    assert http.patch(f"{maps}/x", {"metadata": {"finalizers": None}}).code == 200
    assert http.get(f"{maps}/x").code == 404


@pytest.mark.parametrize(("policy", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")])
def test_propagation_leaves_work_to_the_garbage_collector(http: Http, maps: str, policy: str, finalizer: str) -> None:
    http.post(maps, configmap("x"))
    marked = http.delete(f"{maps}/x", {"propagationPolicy": policy}).doc["metadata"]
    assert marked["finalizers"] == [finalizer] and marked["deletionTimestamp"]
    assert http.delete(f"{maps}/x?propagationPolicy=Sideways").code == 422


def test_pods_get_time_once_they_have_a_node(http: Http, pods: str) -> None:
    http.post(pods, pod("early"))
    http.delete(f"{pods}/early")
    assert http.get(f"{pods}/early").code == 404
    http.post(pods, pod("late", nodeName="node-1", terminationGracePeriodSeconds=7))
    assert http.delete(f"{pods}/late").doc["metadata"]["deletionGracePeriodSeconds"] == 7
    again = http.delete(f"{pods}/late").doc["metadata"]
    assert again["deletionGracePeriodSeconds"] == 7
    shorter = http.delete(f"{pods}/late", {"gracePeriodSeconds": 2}).doc["metadata"]
    assert shorter["deletionGracePeriodSeconds"] == 2
    assert shorter["deletionTimestamp"] < again["deletionTimestamp"]
    assert http.delete(f"{pods}/late", {"gracePeriodSeconds": 0}).code == 200
    assert http.get(f"{pods}/late").code == 404


def test_binding(http: Http, pods: str) -> None:
    http.post(pods, pod("x"))
    binding = {"metadata": {"name": "x"}, "target": {"kind": "Node", "name": "node-1"}}
    assert http.post(f"{pods}/x/binding", binding).code == 201
    bound = http.get(f"{pods}/x").doc
    assert bound["spec"]["nodeName"] == "node-1"
    assert [(c["type"], c["status"]) for c in bound["status"]["conditions"]] == [("PodScheduled", "True")]
    again = http.post(f"{pods}/x/binding", binding)
    assert (again.code, 'is already assigned to node "node-1"' in again.message) == (409, True)


def test_status_and_spec_are_apart(http: Http, pods: str) -> None:
    created = http.post(pods, pod("x")).doc
    changed = http.put(f"{pods}/x/status", created | {"status": {"phase": "Running"}, "spec": {"containers": []}})
    assert changed.code == 200, changed
    assert (changed.doc["status"], changed.doc["spec"]) == ({"phase": "Running"}, created["spec"])
    kept = http.patch(f"{pods}/x", {"status": {"phase": "Failed"}, "metadata": {"labels": {"a": "b"}}}).doc
    assert (kept["status"], kept["metadata"]["labels"]) == ({"phase": "Running"}, {"a": "b"})
    patched = http.patch(f"{pods}/x/status", {"status": {"podIP": "10.0.0.1"}}, "strategic-merge-patch").doc
    assert patched["status"] == {"phase": "Running", "podIP": "10.0.0.1"}


def test_namespaces_die_in_two_steps(http: Http) -> None:
    http.post("/api/v1/namespaces", {"metadata": {"name": "dying"}})
    http.post("/api/v1/namespaces/dying/configmaps", configmap("x"))
    dying = http.delete("/api/v1/namespaces/dying").doc
    assert dying["status"]["phase"] == "Terminating"
    refused = http.post("/api/v1/namespaces/dying/configmaps", configmap("y"))
    assert (refused.code, refused.message) == (
        403,
        'configmaps "y" is forbidden: unable to create new content in namespace dying because it is being terminated',
    )
    assert refused.doc["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    assert http.delete("/api/v1/namespaces/dying/configmaps").code == 200
    dying["spec"] = {}
    assert http.put("/api/v1/namespaces/dying/finalize", dying).code == 200
    assert http.get("/api/v1/namespaces/dying").code == 404
    protected = http.delete("/api/v1/namespaces/default")
    assert (protected.code, "this namespace may not be deleted" in protected.message) == (403, True)


def test_collections_are_deleted_by_selector(http: Http, maps: str) -> None:
    for name in ("a", "b"):
        http.post(maps, {"metadata": {"name": name, "labels": {"n": name}}})
    removed = http.delete(f"{maps}?labelSelector=n%3Da").doc
    assert [item["metadata"]["name"] for item in removed["items"]] == ["a"]
    assert [item["metadata"]["name"] for item in http.get(maps).doc["items"]] == ["b"]


def deployment(name: str) -> Doc:
    template = {"metadata": {"labels": {"app": name}}, "spec": pod("")["spec"]}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"metadata": {"name": name}, "spec": spec}


def test_scale(http: Http, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    assert http.post(path, deployment("web")).code == 201
    scale = http.get(f"{path}/web/scale").doc
    assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == ("Scale", {"replicas": 2}, "app=web")
    scale["spec"]["replicas"] = 5
    assert http.put(f"{path}/web/scale", scale).doc["spec"] == {"replicas": 5}
    assert http.put(f"{path}/web/scale", scale).code == 409, "its resourceVersion is old"
    assert http.patch(f"{path}/web/scale", {"spec": {"replicas": 3}}).doc["spec"] == {"replicas": 3}
    negative = http.patch(f"{path}/web/scale", {"spec": {"replicas": -1}})
    assert negative.message == (
        'Scale.autoscaling "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0'
    )
    stored = http.get(f"{path}/web").doc
    assert (stored["spec"]["replicas"], stored["metadata"]["generation"]) == (3, 3)


def test_services_take_their_endpoints_with_them(http: Http, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}"
    created = http.put(f"{path}/services/web", {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}})
    assert (created.code, created.doc["spec"]["type"]) == (201, "ClusterIP")
    http.post(f"{path}/endpoints", {"metadata": {"name": "web"}})
    assert http.delete(f"{path}/services/web").doc["kind"] == "Service"
    assert http.get(f"{path}/endpoints/web").code == 404
    address = created.doc["spec"]["clusterIP"]
    taken = {"metadata": {"name": "b"}, "spec": {"clusterIP": address, "ports": [{"port": 80}]}}
    assert http.post(f"{path}/services", taken).code == 201, "the address was given back"


def test_what_the_server_says_about_itself(http: Http) -> None:
    assert http.get("/version").doc["major"] == "1"
    assert http.get("/readyz").text == "ok"
    assert 'apiserver_request_total{code="200",verb="GET"}' in http.get("/metrics").text
    assert http.get("/livez?verbose").text.endswith("livez check passed\n")
    aggregated = http.get("/apis", Accept="application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
    assert "as=APIGroupDiscoveryList" in aggregated.headers["Content-Type"]
    assert aggregated.doc["kind"] == "APIGroupDiscoveryList"
    unchanged = http.get("/apis", Accept=aggregated.headers["Content-Type"], If_None_Match=aggregated.headers["ETag"])
    assert (unchanged.code, unchanged.text) == (304, "")
    assert http.get("/apis").doc["kind"] == "APIGroupList"
    index = http.get("/openapi/v3").doc["paths"]
    assert http.get(index["api/v1"]["serverRelativeURL"]).doc["openapi"].startswith("3.")
    review = http.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", {}).doc
    assert review["status"]["userInfo"]["username"] == "system:portway"


def test_bootstrap(http: Http) -> None:
    names = {item["metadata"]["name"] for item in http.get("/api/v1/namespaces").doc["items"]}
    assert {"default", "kube-system", "kube-public", "kube-node-lease"} <= names
    service = http.get("/api/v1/namespaces/default/services/kubernetes").doc
    assert (service["spec"]["clusterIP"], service["spec"]["ports"][0]["port"]) == ("10.96.0.1", 443)


def test_stored_documents_are_the_bytes_that_lists_hold(http: Http, maps: str) -> None:
    text = '{"metadata":{"resourceVersion":"spoof"}}'
    created = http.post(maps, configmap("x", metadata=text))
    listed = http.get(maps).doc["items"][0]
    assert listed == created.doc and listed["data"] == {"metadata": text}
    assert json.loads(http.get(f"{maps}/x").text)["data"]["metadata"] == text
