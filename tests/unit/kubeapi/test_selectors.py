"""Label and field selectors against the tables of what the API server takes and says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.kubeapi import selectors
from portway.kubeapi.errors import ApiError
from portway.kubeapi.kinds import Kind
from portway.model import LabelSelector, Requirement

LABELS = {"app": "web", "tier": "front", "rank": "7", "in": "x", "empty": ""}

MATCHES = {
    "": True,
    "  ": True,
    "app=web": True,
    "app==web": True,
    "app = web , tier=front": True,
    "app=db": False,
    "absent=x": False,
    "app!=web": False,
    "app!=db": True,
    "absent!=x": True,
    "app": True,
    "absent": False,
    "!app": False,
    "!absent": True,
    "app in (web,db)": True,
    "app in (db)": False,
    "app notin (db)": True,
    "app notin (web, db)": False,
    "absent notin (x)": True,
    "empty in ()": True,
    "empty in (,a)": True,
    "app in (,a)": False,
    "empty=": True,
    "empty=,app": True,
    "in in (x)": True,
    "in notin (in,notin)": True,
    "rank>6": True,
    "rank<7": False,
    "app>1": False,
    "absent>1": False,
}


@pytest.mark.parametrize(("text", "wanted"), MATCHES.items())
def test_query_matches(text: str, wanted: bool) -> None:
    assert selectors.parse_labels(text).matches(LABELS) is wanted


NAME_PART = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
REFUSED = {
    "a=b=c": "found '=', expected: ',' or 'end of string'",
    "a b": "unable to parse requirement: found 'b', expected: =, !=, ==, in, notin, >, <",
    ",a": "found ',', expected: !, identifier, or 'end of string'",
    "a,": "found '', expected: identifier after ','",
    "!": "unable to parse requirement: found '', expected: identifier",
    "a in b": "unable to parse requirement: found 'b' expected: '('",
    "a in (b c)": "unable to parse requirement: found 'c', expected: ',' or ')'",
    "a in (": "unable to parse requirement: found '', expected: ',', ')' or identifier",
    "a==!b": "unable to parse requirement: found '!', expected: identifier",
    "a>x": (
        'unable to parse requirement: values[0]: Invalid value: "x": '
        "for 'Gt', 'Lt' operators, the value must be an integer"
    ),
    "-a": f'unable to parse requirement: <nil>: Invalid value: "-a": {NAME_PART}',
}


@pytest.mark.parametrize(("text", "message"), REFUSED.items())
def test_query_refused(text: str, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        selectors.parse_labels(text)
    assert (caught.value.code, caught.value.reason, caught.value.message) == (400, "BadRequest", message)


def test_value_refused_names_its_place() -> None:
    with pytest.raises(
        ApiError, match=r'^unable to parse requirement: values\[1\]\[a\]: Invalid value: "x/y": a valid '
    ):
        selectors.parse_labels("a in (x/y,b)")


def test_absent_selects_nothing_and_empty_everything() -> None:
    assert not selectors.from_document(None).matches({})
    assert selectors.from_document({}).matches({})
    assert selectors.from_document({}).matches(None)


def test_document() -> None:
    document = {
        "matchLabels": {"tier": "front", "app": "web"},
        "matchExpressions": [
            {"key": "rank", "operator": "In", "values": ["9", "7"]},
            {"key": "old", "operator": "DoesNotExist"},
            {"key": "empty", "operator": "Exists"},
            {"key": "app", "operator": "NotIn", "values": ["db"]},
        ],
    }
    selector = selectors.from_document(document)
    assert selector.matches(LABELS)
    assert not selector.matches(LABELS | {"old": ""})
    assert str(selector) == "app=web,app notin (db),empty,!old,rank in (7,9),tier=front"


def test_plain_map() -> None:
    assert str(selectors.from_labels({"b": "2", "a": "1"})) == "a=1,b=2"
    assert selectors.from_labels(None).empty


KEYS = st.from_regex(r"[a-z]([-a-z0-9]{0,5}[a-z0-9])?", fullmatch=True).filter(lambda key: key not in ("in", "notin"))
VALUES = st.from_regex(r"([a-z0-9]([-._a-z0-9]{0,5}[a-z0-9])?)?", fullmatch=True)
REQUIREMENTS = st.one_of(
    st.builds(Requirement, KEYS, st.sampled_from(["=", "==", "!="]), st.tuples(VALUES)),
    st.builds(Requirement, KEYS, st.sampled_from(["exists", "!"])),
    st.builds(
        Requirement,
        KEYS,
        st.sampled_from(["in", "notin"]),
        st.sets(VALUES, min_size=1, max_size=3).map(lambda values: tuple(sorted(values))),
    ),
)


@given(st.lists(REQUIREMENTS, max_size=4), st.dictionaries(KEYS, VALUES, max_size=3))
def test_text_means_the_same_again(requirements: list[Requirement], labels: dict[str, str]) -> None:
    selector = LabelSelector(tuple(sorted(requirements, key=lambda requirement: requirement.key)))
    again = selectors.parse_labels(str(selector))
    assert again == selector
    assert again.matches(labels) == all(requirement.matches(labels) for requirement in requirements)


@given(st.text(alphabet="ab=!(), <>\\", max_size=12))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        selectors.parse_labels(text)
    except ApiError as error:
        assert error.code == 400


POD = Kind(kind="Pod", plural="pods", fields={"spec.nodeName": lambda doc: doc.get("spec", {}).get("nodeName", "")})
PLAIN = Kind(kind="ConfigMap", plural="configmaps")
DOC = {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"nodeName": "node-1"}}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", True),
        ("metadata.name=web", True),
        ("metadata.name==web,metadata.namespace=shop", True),
        ("metadata.name!=web", False),
        ("spec.nodeName!=node-2", True),
        ("spec.nodeName=", False),
        ("spec.nodeName!=", True),
        ("metadata.name=we\\,b", False),
    ],
)
def test_fields(text: str, wanted: bool) -> None:
    assert selectors.parse_fields(text, POD).matches(DOC) is wanted


def test_fields_exact_and_escape() -> None:
    selector = selectors.parse_fields(r"metadata.name=a\,b\=c\\", POD)
    assert selector.exact("metadata.name") == "a,b=c\\"
    assert selectors.parse_fields("metadata.name!=a", POD).exact("metadata.name") is None


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("spec.foo=x", POD, "field label not supported: spec.foo"),
        (
            "data.x=y",
            PLAIN,
            '"data.x" is not a known field selector: only "metadata.name", "metadata.namespace"',
        ),
        ("metadata.name", POD, "invalid selector: 'metadata.name'; can't understand 'metadata.name'"),
    ],
)
def test_fields_refused(text: str, kind: Kind, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        selectors.parse_fields(text, kind)
    assert (caught.value.code, caught.value.message) == (400, message)
