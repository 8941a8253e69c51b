"""Answers other than success, as exceptions."""

import pickle

from portway.kubeapi.errors import ApiError, FieldError, conflict, invalid


def test_an_error_comes_whole_out_of_another_process() -> None:
    fault = FieldError("FieldValueRequired", "spec.ports")
    for error in (conflict("services", "web"), invalid("Service", "web", [fault]), ApiError(410, "Expired", "too old")):
        again = pickle.loads(pickle.dumps(error))
        assert (str(again), again.status) == (error.message, error.status)
