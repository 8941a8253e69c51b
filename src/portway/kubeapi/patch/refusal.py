"""What the API server answers to a patch that it cannot use.

Source: k8s.io/apiserver pkg/endpoints/handlers/patch.go.
"""

from typing import Any

from portway.kubeapi.errors import ApiError, Doc, bad_request

_JSON_NAMES = {bool: "bool", str: "string", int: "number", float: "number", list: "array", dict: "object"}
UNPROCESSABLE = "the server rejected our request due to an error in our request"


def undecodable(value: Any, wanted: str) -> ApiError:
    """400: the body is JSON of the wrong shape; `wanted` is the Go type that the message names."""
    name = _JSON_NAMES.get(type(value), "null")
    return bad_request(f"error decoding patch: json: cannot unmarshal {name} into Go value of type {wanted}")


def object_of(patch: Any) -> Doc:
    """The patch, if it is a JSON object; 400 otherwise."""
    if not isinstance(patch, dict):
        raise undecodable(patch, "map[string]interface {}")
    return patch


def unprocessable(field: str, message: str) -> ApiError:
    """422: well formed, but it does not apply to this document.

    Kubernetes answers the general sentence alone; the cause says which operation and why.
    """
    cause = {"reason": "FieldValueInvalid", "message": message, "field": field}
    return ApiError(422, "Invalid", UNPROCESSABLE, {"causes": [cause]})
