from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from flask import Flask
from jsonschema import Draft202012Validator
from marshmallow import ValidationError
from marshmallow.validate import Length
from openapi_spec_validator import validate

from flask_fd_whatsapp import FreshdeskWhatsApp, OutboundMessageEventSchema
from flask_fd_whatsapp.fields import Identifier, TextDetail
from flask_fd_whatsapp.monitoring.openapi import Document, openapi_document
from flask_fd_whatsapp.receiving.responses import Result

from ..commands.conftest import RunCommand, run  # noqa: F401
from ..conftest import SAMPLES, TOKEN, URL, MakeApp, Payload
from ..mutations import many_mutated

SCHEMA = OutboundMessageEventSchema()


def document_of(app: Flask) -> Document:
    return openapi_document(app.extensions["fd_whatsapp"]["fd_whatsapp"])


def validator_of(document: Document, name: str = "OutboundMessageEvent") -> Draft202012Validator:
    """A validator of one of the document's schemas."""
    return Draft202012Validator({**document, "$ref": f"#/components/schemas/{name}"})


def _app(blueprint: FreshdeskWhatsApp | None = None) -> Flask:
    app = Flask("host")
    app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": TOKEN}
    app.register_blueprint(blueprint or FreshdeskWhatsApp())
    return app


EVENT = validator_of(document_of(_app()))


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"HEADERS": {"X-Token": "secret-1"}, "DATA_HEADERS": ["X-Tenant"]},
        {"HEADERS": {}, "ALLOW_UNAUTHENTICATED": True},
    ],
)
def test_document_is_valid(make_app: MakeApp, keys: dict[str, Any]) -> None:
    """The document is OpenAPI 3.1 for any settings, and contains no header's value."""
    document = document_of(make_app(**keys))
    validate(document)
    assert document["openapi"].startswith("3.1")
    assert "secret" not in json.dumps(document)
    assert TOKEN not in json.dumps(document)


def test_path_and_webhook_share_one_schema(app: Flask) -> None:
    """The path and the webhook share one request body and one schema."""
    document = document_of(app)
    by_path = document["paths"][URL]["post"]
    by_webhook = document["webhooks"]["outbound_message_event"]["post"]
    assert by_path["requestBody"] == by_webhook["requestBody"]
    body = document["components"]["requestBodies"]["Event"]
    assert {"$ref": "#/components/schemas/OutboundMessageEvent"} in body["content"][
        "application/json"
    ]["schema"]["anyOf"]


def test_required_headers_are_the_security(make_app: MakeApp) -> None:
    """All required headers are required together; without any there is no security."""
    headers = {"X-Token": "a", "X-Other": "b"}
    document = document_of(make_app(HEADERS=headers))
    assert document["paths"][URL]["post"]["security"] == [{"X-Token": [], "X-Other": []}]
    document = document_of(make_app(HEADERS={}, ALLOW_UNAUTHENTICATED=True))
    assert document["paths"][URL]["post"]["security"] == []


def test_every_answer_is_documented(app: Flask) -> None:
    """Every possible status is documented, with the results of a 200."""
    document = document_of(app)
    answers = document["paths"][URL]["post"]["responses"]
    assert set(answers) == {str(result.status.value) for result in Result}
    for answer in answers.values():
        assert answer["$ref"].rpartition("/")[2] in document["components"]["responses"]
    words = document["components"]["schemas"]["Taken"]["properties"]["result"]["enum"]
    assert set(words) == {result.label for result in Result if result.status == 200}


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_valid(payload: Payload, name: str) -> None:
    """The vendor's samples meet the schema."""
    EVENT.validate(payload(name))


def test_what_load_takes_is_valid() -> None:
    """Of thousands of payloads, all that ``Schema.load`` accepts match the document's schema."""
    taken = 0
    for sent in many_mutated(4000):
        try:
            SCHEMA.load(sent)
        except ValidationError:
            continue
        taken += 1
        EVENT.validate(sent)
    assert taken > 1000


@pytest.mark.parametrize(
    "changes",
    [
        *({"account_id": value} for value in ("", "a\0", "x" * 256, True, None, [])),
        *({"event_type": value} for value in ("other", 1, None)),
        *({"data__message_id": value} for value in ("", "a\n b", False, {})),
        *({"data__status": value} for value in ("", "  ", "a\tb", "x" * 256, 1, None)),
        *({"data__timestamp": value} for value in ("soon", "2025-02-29T00:00:00Z", True, None)),
        *({"data__timestamp": value} for value in (-(10**11) + 1, 253402300800000, "9" * 15)),
        *({"data__timestamp": value} for value in ("0000-01-01T00:00:00Z", "2025-11-18T24:00:00Z")),
        {"data": None},
    ],
)
def test_what_load_refuses_is_invalid(payload: Payload, changes: dict[str, Any]) -> None:
    """What the strict fields reject does not match the schema either."""
    sent = payload("sent", **changes)
    with pytest.raises(ValidationError):
        SCHEMA.load(sent)
    assert not EVENT.is_valid(sent)


@pytest.mark.parametrize(
    "moment",
    [
        *("2024-02-29T00:00:00Z", "2000-02-29 23:59:59.123456789-05:30", "0001-01-01t00:00:00z"),
        *(0, -62_135_596_800, 253_402_300_799_999, -(10**11), "253402300799999", "0" * 20),
        *(1763457945.885, "00000000000000000001"),
    ],
)
def test_odd_times_are_valid(payload: Payload, moment: Any) -> None:
    """Every accepted notation of a time is described."""
    sent = payload("sent", data__timestamp=moment)
    SCHEMA.load(sent)
    EVENT.validate(sent)


class OrderSchema(OutboundMessageEventSchema):
    order = Identifier(required=True, validate=Length(max=5), metadata={"description": "Ours."})
    note = TextDetail(load_default=None)
    nickname = Identifier(load_default=None, allow_none=True)


def test_fields_of_a_host_are_described(payload: Payload) -> None:
    """A schema of the host's own is described with its fields, validators and descriptions."""
    document = document_of(_app(FreshdeskWhatsApp(schema=OrderSchema)))
    validate(document)
    described = document["components"]["schemas"]["Order"]
    assert set(described["required"]) == {"account_id", "event_type", "data", "order"}
    assert described["properties"]["order"]["description"] == "Ours."
    event = validator_of(document, "Order")
    assert not event.is_valid(payload("sent"))
    sent = payload("sent") | {"order": "o-1", "note": {"any": "thing"}, "nickname": None}
    event.validate(sent)
    assert not event.is_valid(sent | {"order": "o-1234"})


def test_command_prints_json_and_yaml(app: Flask, run: RunCommand) -> None:  # noqa: F811
    """``openapi`` prints the same document as JSON and as YAML."""
    as_json = run(app, "openapi")
    assert as_json.exit_code == 0, as_json.output
    document = json.loads(as_json.stdout)
    assert document == json.loads(json.dumps(document_of(app)))
    as_yaml = run(app, "openapi", "--yaml")
    assert "&id" not in as_yaml.stdout
    assert yaml.safe_load(as_yaml.stdout) == document
