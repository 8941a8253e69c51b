"""The workload kinds' hooks: what they fill in, and what they refuse in Kubernetes' words."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from portway.kubeapi import catalogue, metadata
from portway.kubeapi.kinds import Kind
from portway.kubeapi.workloads.pod import qos_class
from portway.kubeapi.workloads.pod_defaults import pull_policy

Doc = dict[str, Any]


def kind_of(doc: Doc) -> Kind:
    found = catalogue.by_kind(doc["apiVersion"], doc["kind"])
    assert found is not None
    return found


def created(doc: Doc) -> Doc:
    """The document as the pipeline would hand it to `validate`."""
    made = copy.deepcopy(doc)
    kind_of(doc).default(made)
    kind_of(doc).prepare_create(made)
    return made


def errors(doc: Doc, old: Doc | None = None) -> list[str]:
    made = copy.deepcopy(doc)
    kind_of(doc).default(made)
    if old is None:
        kind_of(doc).prepare_create(made)
    else:
        kind_of(doc).prepare_update(made, old)
    return [str(error) for error in kind_of(doc).validate(made, old)]


def pod(*containers: Doc, **spec: Any) -> Doc:
    made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
    return made | {"spec": {"containers": list(containers) or [container()]} | spec}


def container(**fields: Any) -> Doc:
    return {"name": "c", "image": "nginx:1.27"} | fields


def workload(kind: str = "Deployment", **spec: Any) -> Doc:
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [container()]}}
    selector: Doc = {"app": "x"} if kind == "ReplicationController" else {"matchLabels": {"app": "x"}}
    version = "v1" if kind == "ReplicationController" else "apps/v1"
    whole = {"selector": selector, "template": template} | spec
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "w"}, "spec": whole}


def test_pod_defaults() -> None:
    made = created(
        pod(
            container(
                ports=[{"containerPort": 80}],
                livenessProbe={"httpGet": {"port": 80}},
                env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
            ),
            volumes=[{"name": "v"}, {"name": "s", "secret": {"secretName": "x"}}],
        )
    )
    spec = made["spec"]
    (found,) = spec.pop("containers")
    assert spec == {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "enableServiceLinks": True,
        "serviceAccountName": "default",
        "serviceAccount": "default",
        "priority": 0,
        "preemptionPolicy": "PreemptLowerPriority",
        "volumes": [{"name": "v", "emptyDir": {}}, {"name": "s", "secret": {"secretName": "x", "defaultMode": 420}}],
        "tolerations": [
            {
                "key": f"node.kubernetes.io/{taint}",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 300,
            }
            for taint in ("not-ready", "unreachable")
        ],
    }
    assert found["imagePullPolicy"] == "IfNotPresent"
    assert found["terminationMessagePath"] == "/dev/termination-log"
    assert found["terminationMessagePolicy"] == "File"
    assert found["resources"] == {}
    assert found["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert found["livenessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    assert found["env"][0]["valueFrom"]["fieldRef"] == {"fieldPath": "metadata.name", "apiVersion": "v1"}
    assert made["status"] == {"phase": "Pending", "qosClass": "BestEffort"}


def test_defaulting_again_changes_nothing() -> None:
    docs = [pod(container(ports=[{"containerPort": 80}], livenessProbe={"httpGet": {"port": 80}})), workload()]
    for doc in [*docs, workload("ReplicaSet"), workload("ReplicationController")]:
        once = created(doc)
        again = copy.deepcopy(once)
        kind_of(doc).default(again)
        kind_of(doc).prepare_create(again)
        assert again == once


def test_own_values_stay() -> None:
    spec = created(
        pod(restartPolicy="Never", terminationGracePeriodSeconds=0, priority=7, tolerations=[{"operator": "Exists"}])
    )
    assert (spec["spec"]["restartPolicy"], spec["spec"]["terminationGracePeriodSeconds"]) == ("Never", 0)
    assert (spec["spec"]["priority"], spec["spec"]["tolerations"]) == (7, [{"operator": "Exists"}])


def test_host_network_takes_host_ports() -> None:
    made = created(pod(container(ports=[{"containerPort": 80}]), hostNetwork=True))
    assert made["spec"]["containers"][0]["ports"][0]["hostPort"] == 80


def test_requests_follow_limits() -> None:
    made = created(pod(container(resources={"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}})))
    assert made["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "500m", "memory": "1Gi"}


IMAGES = {
    "nginx": "Always",
    "nginx:latest": "Always",
    "nginx:1.27": "IfNotPresent",
    "registry:5000/nginx": "Always",
    "registry:5000/nginx:1": "IfNotPresent",
    "nginx@sha256:" + "0" * 64: "IfNotPresent",
}


@pytest.mark.parametrize(("image", "wanted"), IMAGES.items())
def test_pull_policy(image: str, wanted: str) -> None:
    assert pull_policy(image) == wanted


def resources(requests: Doc | None = None, limits: Doc | None = None) -> Doc:
    return {"containers": [{"resources": {"requests": requests or {}, "limits": limits or {}}}]}


BOTH = {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ({"containers": [{}]}, "BestEffort"),
        (resources({"cpu": "0"}), "BestEffort"),
        (resources({"cpu": "1"}), "Burstable"),
        (resources(BOTH, BOTH), "Guaranteed"),
        (resources({"cpu": "1000m", "memory": "1024Mi"}, BOTH), "Guaranteed"),
        (resources({"cpu": "1"}, {"cpu": "1"}), "Burstable"),
        (resources({"cpu": "1", "memory": "1Gi"}, {"cpu": "2", "memory": "1Gi"}), "Burstable"),
        ({"containers": [*resources(BOTH, BOTH)["containers"], {}]}, "Burstable"),
    ],
)
def test_qos(spec: Doc, wanted: str) -> None:
    assert qos_class(spec) == wanted


HANDLERS = {"exec": {"command": ["x"]}, "tcpSocket": {"port": 80}}
LABEL_1123 = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
ONE_SOURCE = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
C0 = "spec.containers[0]"
BAD_PODS: dict[str, tuple[Doc, list[str]]] = {
    "fine": (pod(), []),
    "no containers": ({"apiVersion": "v1", "kind": "Pod", "spec": {}}, ["spec.containers: Required value"]),
    "no name": (pod({"image": "a"}), [f"{C0}.name: Required value"]),
    "bad name": (pod(container(name="A_b")), [f'{C0}.name: Invalid value: "A_b": {LABEL_1123}']),
    "no image": (pod({"name": "c"}), [f"{C0}.image: Required value"]),
    "same name": (pod(container(), container()), ['spec.containers[1].name: Duplicate value: "c"']),
    "same name as an init container": (
        pod(initContainers=[container()]),
        ['spec.initContainers[0].name: Duplicate value: "c"'],
    ),
    "restart policy": (
        pod(restartPolicy="Maybe"),
        ['spec.restartPolicy: Unsupported value: "Maybe": supported values: "Always", "OnFailure", "Never"'],
    ),
    "pull policy": (
        pod(container(imagePullPolicy="Often")),
        [f'{C0}.imagePullPolicy: Unsupported value: "Often": supported values: "Always", "IfNotPresent", "Never"'],
    ),
    "port out of range": (
        pod(container(ports=[{"containerPort": 70000}])),
        [f"{C0}.ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"],
    ),
    "port missing": (pod(container(ports=[{}])), [f"{C0}.ports[0].containerPort: Required value"]),
    "port name": (
        pod(container(ports=[{"containerPort": 80, "name": "averyveryverylongname"}])),
        [f'{C0}.ports[0].name: Invalid value: "averyveryverylongname": must be no more than 15 characters'],
    ),
    "port names repeat": (
        pod(container(ports=[{"containerPort": 80, "name": "web"}, {"containerPort": 81, "name": "web"}])),
        [f'{C0}.ports[1].name: Duplicate value: "web"'],
    ),
    "protocol": (
        pod(container(ports=[{"containerPort": 80, "protocol": "QUIC"}])),
        [f'{C0}.ports[0].protocol: Unsupported value: "QUIC": supported values: "SCTP", "TCP", "UDP"'],
    ),
    "host ports collide": (
        pod(
            container(ports=[{"containerPort": 80, "hostPort": 8080}]),
            container(name="d", ports=[{"containerPort": 81, "hostPort": 8080}]),
        ),
        ['spec.containers[1].ports[0].hostPort: Duplicate value: "TCP//8080"'],
    ),
    "host network and another host port": (
        pod(container(ports=[{"containerPort": 80, "hostPort": 81}]), hostNetwork=True),
        [f"{C0}.ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true"],
    ),
    "variable without a name": (pod(container(env=[{"value": "x"}])), [f"{C0}.env[0].name: Required value"]),
    "variable with two sources": (
        pod(container(env=[{"name": "A", "value": "x", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}])),
        [f'{C0}.env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'],
    ),
    "variable without a source": (
        pod(container(env=[{"name": "A", "valueFrom": {}}])),
        [f'{C0}.env[0].valueFrom: Invalid value: "": {ONE_SOURCE}'],
    ),
    "unknown field": (
        pod(container(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.x"}}}])),
        [
            f'{C0}.env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.x": '
            "error converting fieldPath: field label not supported: spec.x"
        ],
    ),
    "envFrom nothing": (
        pod(container(envFrom=[{}])),
        [f'{C0}.envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`'],
    ),
    "mount of an unknown volume": (
        pod(container(volumeMounts=[{"name": "v", "mountPath": "/v"}])),
        [f'{C0}.volumeMounts[0].name: Not found: "v"'],
    ),
    "mounts at one path": (
        pod(
            container(volumeMounts=[{"name": "v", "mountPath": "/v"}, {"name": "v", "mountPath": "/v"}]),
            volumes=[{"name": "v"}],
        ),
        [f'{C0}.volumeMounts[1].mountPath: Invalid value: "/v": must be unique'],
    ),
    "volumes of one name": (
        pod(volumes=[{"name": "v"}, {"name": "v"}]),
        ['spec.volumes[1].name: Duplicate value: "v"'],
    ),
    "volume of two kinds": (
        pod(volumes=[{"name": "v", "emptyDir": {}, "configMap": {"name": "c"}}]),
        ["spec.volumes[0].configMap: Forbidden: may not specify more than 1 volume type"],
    ),
    "probe without a handler": (
        pod(container(readinessProbe={"periodSeconds": 1})),
        [f"{C0}.readinessProbe: Required value: must specify a handler type"],
    ),
    "probe with two handlers": (
        pod(container(readinessProbe=HANDLERS)),
        [f"{C0}.readinessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type"],
    ),
    "probe port": (
        pod(container(readinessProbe={"httpGet": {"port": 0}})),
        [f"{C0}.readinessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive"],
    ),
    "probe scheme": (
        pod(container(readinessProbe={"httpGet": {"port": "web", "scheme": "GOPHER"}})),
        [f'{C0}.readinessProbe.httpGet.scheme: Unsupported value: "GOPHER": supported values: "HTTP", "HTTPS"'],
    ),
    "liveness threshold": (
        pod(container(livenessProbe={"tcpSocket": {"port": 1}, "successThreshold": 2})),
        [f"{C0}.livenessProbe.successThreshold: Invalid value: 2: must be 1"],
    ),
    "probe of an init container": (
        pod(initContainers=[container(name="i", livenessProbe={"tcpSocket": {"port": 1}})]),
        [
            "spec.initContainers[0].livenessProbe: Forbidden: "
            "may not be set for init containers without restartPolicy=Always"
        ],
    ),
    "request above limit": (
        pod(container(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}})),
        [f'{C0}.resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'],
    ),
    "toleration": (
        pod(tolerations=[{"key": "k", "operator": "Exists", "value": "v"}]),
        ["spec.tolerations[0].operator: Invalid value: \"v\": value must be empty when `operator` is 'Exists'"],
    ),
    "host alias": (
        pod(hostAliases=[{"ip": "x"}]),
        ['spec.hostAliases[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
    ),
    "DNS policy": (
        pod(dnsPolicy="Any"),
        [
            'spec.dnsPolicy: Unsupported value: "Any": '
            'supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"'
        ],
    ),
    "no DNS": (
        pod(dnsPolicy="None"),
        ["spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"],
    ),
    "no nameserver": (
        pod(dnsPolicy="None", dnsConfig={"searches": ["x"]}),
        [
            "spec.dnsConfig.nameservers: Required value: "
            "must provide at least one DNS nameserver when `dnsPolicy` is None"
        ],
    ),
    "too many nameservers": (
        pod(dnsConfig={"nameservers": ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"]}),
        [
            'spec.dnsConfig.nameservers: Invalid value: ["192.0.2.1","192.0.2.2","192.0.2.3","192.0.2.4"]: '
            "must not have more than 3 nameservers"
        ],
    ),
    "DNS option": (pod(dnsConfig={"options": [{}]}), ["spec.dnsConfig.options[0]: Required value: must not be empty"]),
    "bound but gated": (
        pod(nodeName="n", schedulingGates=[{"name": "g"}]),
        ["spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"],
    ),
    "ephemeral at once": (
        pod(ephemeralContainers=[container(name="e")]),
        ["spec.ephemeralContainers: Forbidden: cannot be set on create"],
    ),
    "deadline": (
        pod(activeDeadlineSeconds=0),
        ["spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"],
    ),
}


@pytest.mark.parametrize("name", BAD_PODS)
def test_pod_validation(name: str) -> None:
    doc, wanted = BAD_PODS[name]
    assert errors(doc) == wanted


ONLY = (
    "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
    "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n"
)


def changed(doc: Doc, change: Callable[[Doc], object]) -> Doc:
    made = copy.deepcopy(doc)
    change(made["spec"])
    return made


UPDATES: dict[str, tuple[Callable[[Doc], object], list[str]]] = {
    "nothing": (lambda spec: None, []),
    "an image": (lambda spec: spec["containers"][0].update(image="nginx:2"), []),
    "a deadline": (lambda spec: spec.update(activeDeadlineSeconds=5), []),
    "a toleration more": (lambda spec: spec["tolerations"].append({"key": "k", "operator": "Exists"}), []),
    "a toleration less": (
        lambda spec: spec.update(tolerations=[{"operator": "Exists"}]),
        ["spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"],
    ),
    "the node": (lambda spec: spec.update(nodeName="n"), [f'{ONLY}spec.nodeName: null -> "n"']),
    "a port": (
        lambda spec: spec["containers"][0]["ports"][0].update(containerPort=81),
        [f"{ONLY}spec.containers[0].ports[0].containerPort: 80 -> 81"],
    ),
    "a container more": (
        lambda spec: spec["containers"].append(container(name="d")),
        ["spec.containers: Forbidden: pod updates may not add or remove containers"],
    ),
    "an image with blanks": (
        lambda spec: spec["containers"][0].update(image=" nginx"),
        [f'{C0}.image: Invalid value: " nginx": must not have leading or trailing whitespace'],
    ),
}


@pytest.mark.parametrize("name", UPDATES)
def test_pod_updates(name: str) -> None:
    change, wanted = UPDATES[name]
    old = created(pod(container(ports=[{"containerPort": 80}])))
    assert errors(changed(old, change), old) == wanted


def test_pod_manifest_sent_again_changes_nothing() -> None:
    manifest = pod(container(ports=[{"containerPort": 80}]))
    assert errors(manifest, created(manifest)) == []


def test_pod_fields() -> None:
    made = created(pod(nodeName="node-1", restartPolicy="Never"))
    made["status"]["podIP"] = "10.0.0.1"
    found = {path: get(made) for path, get in kind_of(made).fields.items()}
    assert found == {
        "spec.nodeName": "node-1",
        "spec.restartPolicy": "Never",
        "spec.schedulerName": "default-scheduler",
        "spec.serviceAccountName": "default",
        "spec.hostNetwork": "false",
        "status.phase": "Pending",
        "status.podIP": "10.0.0.1",
        "status.nominatedNodeName": "",
    }


def test_warnings() -> None:
    env = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    doc = created(pod(container(env=env, ports=[{"containerPort": 80}, {"containerPort": 80}])))
    assert kind_of(doc).warnings(doc, None) == [
        'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
        "spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]",
    ]


def test_deployment_defaults() -> None:
    spec = created(workload())["spec"]
    assert (spec["replicas"], spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (1, 10, 600)
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}
    assert spec["template"]["spec"]["restartPolicy"] == "Always"
    assert "tolerations" not in spec["template"]["spec"], "admission acts on pods, not on templates"
    assert created(workload(strategy={"type": "Recreate"}))["spec"]["strategy"] == {"type": "Recreate"}


def rolling(**update: Any) -> Doc:
    return {"strategy": {"type": "RollingUpdate", "rollingUpdate": update}}


def template(**spec: Any) -> Doc:
    whole = {"containers": [container()]} | spec
    return {"template": {"metadata": {"labels": {"app": "x"}}, "spec": whole}}


AT_MOST = "spec.strategy.rollingUpdate.maxUnavailable"
BAD_DEPLOYMENTS: dict[str, tuple[Doc, list[str]]] = {
    "fine": ({}, []),
    "scaled to nothing": ({"replicas": 0}, []),
    "negative replicas": (
        {"replicas": -1},
        ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"],
    ),
    "selector of others": (
        {"selector": {"matchLabels": {"app": "y"}}},
        ['spec.template.metadata.labels: Invalid value: {"app":"x"}: `selector` does not match template `labels`'],
    ),
    "no selector": (
        {"selector": None},
        [
            "spec.selector: Required value",
            'spec.template.metadata.labels: Invalid value: {"app":"x"}: `selector` does not match template `labels`',
        ],
    ),
    "empty selector": (
        {"selector": {}},
        ["spec.selector: Invalid value: {}: empty selector is invalid for deployment"],
    ),
    "selector without values": (
        {"selector": {"matchExpressions": [{"key": "app", "operator": "Exists", "values": ["x"]}]}},
        [
            "spec.selector.matchExpressions[0].values: Forbidden: "
            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        ],
    ),
    "neither surge nor unavailable": (
        rolling(maxSurge=0, maxUnavailable=0),
        [f"{AT_MOST}: Invalid value: 0: may not be 0 when `maxSurge` is 0"],
    ),
    "too many unavailable": (
        rolling(maxUnavailable="150%"),
        [f'{AT_MOST}: Invalid value: "150%": must not be greater than 100%'],
    ),
    "negative surge": (
        rolling(maxSurge=-1),
        ["spec.strategy.rollingUpdate.maxSurge: Invalid value: -1: must be greater than or equal to 0"],
    ),
    "rolling while recreating": (
        {"strategy": {"type": "Recreate", "rollingUpdate": {}}},
        ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
    ),
    "unknown strategy": (
        {"strategy": {"type": "Hope"}},
        [
            'spec.strategy: Unsupported value: {"type":"Hope"}: supported values: "Recreate", "RollingUpdate"',
        ],
    ),
    "restart policy": (
        template(restartPolicy="Never"),
        ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
    ),
    "deadlines": (
        {"progressDeadlineSeconds": 5, "minReadySeconds": 5},
        ["spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds"],
    ),
    "a template's container": (
        template(containers=[{"name": "c"}]),
        ["spec.template.spec.containers[0].image: Required value"],
    ),
}


@pytest.mark.parametrize("name", BAD_DEPLOYMENTS)
def test_deployment_validation(name: str) -> None:
    spec, wanted = BAD_DEPLOYMENTS[name]
    doc = workload(**spec)
    doc["spec"] = {key: value for key, value in doc["spec"].items() if value is not None}
    assert errors(doc) == wanted


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet"])
def test_selector_is_immutable(kind: str) -> None:
    old = created(workload(kind))
    new = changed(old, lambda spec: spec["template"]["metadata"]["labels"].update(b="c"))
    assert errors(new, old) == []
    new["spec"]["selector"]["matchLabels"]["b"] = "c"
    assert errors(new, old) == ['spec.selector: Invalid value: {"matchLabels":{"app":"x","b":"c"}}: field is immutable']


def test_replication_controller_takes_its_templates_labels() -> None:
    doc = workload("ReplicationController")
    del doc["spec"]["selector"]
    made = created(doc)
    assert (made["spec"]["selector"], made["metadata"]["labels"], made["spec"]["replicas"]) == ({"app": "x"},) * 2 + (
        1,
    )
    assert errors(doc) == []
    doc["spec"]["template"]["metadata"] = {}
    assert errors(doc) == ["spec.selector: Required value"]


def test_namespace() -> None:
    made = created({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": "shop"}
    assert (made["spec"], made["status"]) == ({"finalizers": ["kubernetes"]}, {"phase": "Active"})
    changed_one = copy.deepcopy(made) | {"spec": {}}
    kind_of(made).prepare_update(changed_one, made)
    assert changed_one["spec"] == {"finalizers": ["kubernetes"]}


def secret(**fields: Any) -> Doc:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}} | fields


def test_secret_string_data() -> None:
    made = created(secret(data={"a": "YQ==", "b": "Yg=="}, stringData={"b": "ä"}))
    assert made["data"] == {"a": "YQ==", "b": "w6Q="}
    assert (made["type"], "stringData" in made) == ("Opaque", False)


BAD_SECRETS: list[tuple[Doc, list[str]]] = [
    (secret(), []),
    (secret(type="kubernetes.io/tls", data={"tls.crt": ""}), ["data[tls.key]: Required value"]),
    (
        secret(type="kubernetes.io/basic-auth"),
        ["data[username]: Required value", "data[password]: Required value"],
    ),
    (secret(type="kubernetes.io/ssh-auth"), ["data[ssh-privatekey]: Required value"]),
    (
        secret(type="kubernetes.io/service-account-token"),
        ["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
    ),
    (secret(type="kubernetes.io/dockerconfigjson", stringData={".dockerconfigjson": "{}"}), []),
    (secret(data={"..": ""}), ["data[..]: Invalid value: \"..\": must not be '..'"]),
]


@pytest.mark.parametrize(("doc", "wanted"), BAD_SECRETS)
def test_secret_validation(doc: Doc, wanted: list[str]) -> None:
    assert errors(doc) == wanted


IMMUTABLE = "Forbidden: field is immutable when `immutable` is set"


def test_immutable_content() -> None:
    old = created(secret(immutable=True, data={"a": ""}))
    assert errors(secret(immutable=True, data={"a": ""}), old) == []
    assert errors(secret(data={"a": "YQ=="}), old) == [f"immutable: {IMMUTABLE}", f"data: {IMMUTABLE}"]
    assert errors(secret(type="x", immutable=True, data={"a": ""}), old) == [
        'type: Invalid value: "x": field is immutable'
    ]
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "immutable": True}
    assert errors(config | {"binaryData": {"x": "YQ=="}}, config) == [f"binaryData: {IMMUTABLE}"]


def test_config_map_keys_and_size() -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
    assert errors(config | {"data": {"a": ""}, "binaryData": {"a": ""}}) == [
        'data[a]: Invalid value: "a": duplicate of key present in binaryData'
    ]
    assert errors(config | {"data": {"a": "x" * (1024 * 1024 + 1)}}) == [
        ": Too long: may not be more than 1048576 bytes"
    ]
    assert errors(config | {"data": {"a b": ""}})[0].startswith(
        'data[a b]: Invalid value: "a b": a valid config key must'
    )


def test_node() -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "spec": {"podCIDR": "10.244.1.0/24"}}
    made = created(node | {"status": {"capacity": {"cpu": "2"}}})
    assert made["spec"]["podCIDRs"] == ["10.244.1.0/24"]
    assert made["status"]["allocatable"] == {"cpu": "2"}
    assert errors(node, made) == []
    assert errors(node | {"spec": {"podCIDR": "10.244.2.0/24"}}, made) == [
        'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'
    ]
    tainted = node | {"spec": {"taints": [{"key": "k", "effect": "Never"}]}}
    assert errors(tainted) == [
        'metadata.taints[0].effect: Unsupported value: "Never": '
        'supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"'
    ]


@pytest.mark.parametrize("name", [{"name": "fd00::a.18b"}, {"generateName": "web.", "name": "web.x2x4v"}])
def test_an_event_may_be_called_after_anything(name: Doc) -> None:
    kind = catalogue.by_kind("v1", "Event")
    assert kind is not None
    assert metadata.validate({"metadata": {"namespace": "shop"} | name}, True, kind.name_rule) == []


def test_event() -> None:
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e", "namespace": "shop"},
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": "shop"},
        "reason": "Started",
        "type": "Normal",
        "source": {"component": "kubelet"},
    }
    assert errors(event) == []
    found = {path: get(event) for path, get in kind_of(event).fields.items()}
    assert (found["involvedObject.name"], found["reason"], found["source"]) == ("p", "Started", "kubelet")
    elsewhere = event | {"metadata": {"name": "e", "namespace": "other"}}
    assert errors(elsewhere) == ['involvedObject.namespace: Invalid value: "shop": does not match event.namespace']


OWN_TESTS = ("Service", "Endpoints", "EndpointSlice")
OTHERS = [kind for kind in catalogue.KINDS if kind.kind not in OWN_TESTS]


@pytest.mark.parametrize("kind", OTHERS, ids=lambda kind: f"{kind.kind}.{kind.group}")
def test_an_empty_document_is_refused_or_taken_but_never_crashes(kind: Kind) -> None:
    doc: Doc = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {}}
    kind.default(doc)
    kind.prepare_create(doc)
    kind.validate(doc, None)
    kind.warnings(doc, None)
    assert all(isinstance(get({}), str) for get in kind.fields.values())
