import msgspec
import pytest

from apimachinery.objects import errors, field
from apimachinery.objects.field import Path


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (field.invalid(Path("spec").child("replicas"), -1, "must be greater than or equal to 0"),
         "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
        (field.required(Path("spec").child("containers").index(0).child("name")), "spec.containers[0].name: Required value"),
        (field.not_supported(Path("type"), "Foo", ["B", "A"]), 'type: Unsupported value: "Foo": supported values: "A", "B"'),
        (field.forbidden(Path("spec"), "may not change"), "spec: Forbidden: may not change"),
        (field.duplicate(Path("ports").index(1), "http"), 'ports[1]: Duplicate value: "http"'),
        (field.immutable(Path("spec").child("selector"), {"a": True}), 'spec.selector: Invalid value: {"a":true}: field is immutable'),
        (field.too_long(Path("name"), 63), "name: Too long: may not be more than 63 bytes"),
        (field.too_many(Path("items"), 5, 4), "items: Too many: 5: must have at most 4 items"),
        (field.not_found(Path("name"), "x"), 'name: Not found: "x"'),
    ],
)  # fmt: skip
def test_field_errors_print_as_upstream(error: field.FieldError, text: str):
    assert str(error) == text


def test_invalid_names_the_object_and_every_cause():
    error = errors.Invalid.of(
        "Deployment", "apps", "web",
        [field.required(Path("spec").child("selector")), field.invalid(Path("spec").child("replicas"), -1, "too small")],
    )  # fmt: skip
    assert error.message == (
        'Deployment.apps "web" is invalid: [spec.selector: Required value, spec.replicas: Invalid value: -1: too small]'
    )
    status = error.to_status()
    assert status["code"] == 422
    assert [cause["field"] for cause in status["details"]["causes"]] == ["spec.selector", "spec.replicas"]


@pytest.mark.parametrize(
    "error",
    [
        errors.NotFound.of("pods", "web"),
        errors.AlreadyExists.of("deployments", "web", group="apps"),
        errors.Conflict.modified("pods", "web"),
        errors.Expired("too old resource version: 1 (2)"),
        errors.TooManyRequests("slow down", details={"retryAfterSeconds": 3}),
    ],
    ids=lambda e: e.reason,
)
def test_status_survives_the_wire(error: errors.StatusError):
    back = errors.StatusError.from_status(msgspec.json.encode(error.to_status()), error.code)
    assert type(back) is type(error)
    assert (back.message, back.code, back.reason, back.details) == (
        error.message, error.code, error.reason, error.details,
    )  # fmt: skip


def test_answer_that_is_no_status_keeps_its_text_and_finds_its_class():
    error = errors.StatusError.from_status(b"404 page not found\n", 404)
    assert isinstance(error, errors.NotFound)
    assert error.message == "404 page not found"


def test_conflict_says_what_to_do():
    assert errors.Conflict.modified("pods", "web").message == (
        'Operation cannot be fulfilled on pods "web": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )


def test_the_fields_of_a_status_come_in_upstreams_order() -> None:
    """Some clients compare the text of an answer."""
    error = errors.AlreadyExists.generated("deployments", "web", group="apps")
    assert list(error.to_status()) == [
        "kind",
        "apiVersion",
        "metadata",
        "status",
        "message",
        "reason",
        "details",
        "code",
    ]
    assert list(error.to_status()["details"]) == ["name", "group", "kind", "retryAfterSeconds"]
