"""The API of a receiver as OpenAPI 3.1: its path, and the vendor's webhook.

Both have one request body and one list of answers; the schema of the body is generated from the
marshmallow schema that loads it, which may be the host's own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from importlib import metadata
from typing import Any, Final

from ..events import EVENT_TYPE
from ..receiving.receiver import Receiver
from ..receiving.responses import Result
from .field_shapes import EVENT_TYPE_PATTERN, attribute_function

try:
    from apispec import APISpec
    from apispec.ext.marshmallow import MarshmallowPlugin
    from apispec.yaml_utils import dict_to_yaml
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "The OpenAPI document is made with apispec: pip install 'flask_fd_whatsapp[openapi]'",
        name=error.name,
    ) from error

Document = dict[str, Any]

OPENAPI_VERSION: Final = "3.1.0"

_ANSWERS: Final[dict[int, tuple[str, str]]] = {
    200: (
        "Taken",
        "Need not be sent again. An event of another type, or an empty body, is ignored.",
    ),
    400: ("NotAnObject", "The body is not JSON, or not an object."),
    401: ("Unauthenticated", "A required header is missing or wrong."),
    403: ("OtherAccount", "Events of this account are not accepted here."),
    413: ("TooLarge", "The body is larger than the limit."),
    415: ("Encoded", "The body's Content-Encoding is not supported."),
    422: ("Invalid", "The event does not match the schema: `errors` says what is wrong, by field."),
    503: (
        "SendAgain",
        "Not recorded, or not handled yet: send it again after Retry-After seconds.",
    ),
}

_HEADERS: Final[dict[int, Document]] = {
    401: {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}},
    503: {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}}},
}

_DESCRIPTION: Final = (
    "Freshdesk posts an event for each status of an outbound WhatsApp message. Undocumented parts "
    "of an event are kept; its Content-Type is not checked."
)

_PROBE: Final[Document] = {
    "security": [],
    "responses": {"204": {"description": "There is a receiver at this URL."}},
}


def openapi_document(receiver: Receiver) -> Document:
    """Describe what *receiver* accepts and answers, ready for JSON.

    It names the headers that authenticate, but none of their values.

    :raises ModuleNotFoundError: without the extra ``openapi``.
    """
    plugin = MarshmallowPlugin(schema_name_resolver=_name_of)
    headers = list(receiver.settings.headers)
    spec = APISpec(
        title="Freshdesk's WhatsApp webhooks",
        version=metadata.version("flask_fd_whatsapp"),
        openapi_version=OPENAPI_VERSION,
        plugins=[plugin],
    )
    assert plugin.converter is not None
    plugin.converter.add_attribute_function(attribute_function)  # type: ignore[no-untyped-call]
    name = _name_of(receiver.schema)
    spec.components.schema(name, schema=receiver.schema)
    made = spec.to_dict()
    components = made["components"]
    components["schemas"] |= _schemas()
    components["requestBodies"] = {"Event": _request_body(name)}
    components["responses"] = {
        _ANSWERS[status][0]: _response(status) for status in sorted(_statuses())
    }
    if headers:
        components["securitySchemes"] = {
            _key(header): {"type": "apiKey", "in": "header", "name": header} for header in headers
        }
    url, parameters = _path_of(receiver.url)
    return {
        "openapi": made["openapi"],
        "info": {**made["info"], "description": _DESCRIPTION},
        "paths": {
            url: {
                **({"parameters": parameters} if parameters else {}),
                "post": {"operationId": "receive", **_operation(receiver, headers)},
                "get": {"operationId": "probe", "summary": "Check whether it exists", **_PROBE},
                "head": {"operationId": "probeHead", "summary": "The same", **_PROBE},
            }
        },
        "webhooks": {EVENT_TYPE: {"post": _operation(receiver, headers)}},
        "components": components,
    }


def to_yaml(document: Document) -> str:
    """Return *document* as YAML, in its own order."""
    apart = json.loads(json.dumps(document))  # otherwise, shared parts become anchors
    return str(dict_to_yaml(apart, {"sort_keys": False, "allow_unicode": True}))


def _name_of(schema: Any) -> str:
    """Return the name among the components of a schema, which is a class or an instance."""
    cls = schema if isinstance(schema, type) else type(schema)
    return cls.__name__.removesuffix("Schema")


def _path_of(url: str) -> tuple[str, list[Document]]:
    """Return a rule's URL in OpenAPI's notation, and its parameters."""
    variable = re.compile(r"<(?:[^<>:]*:)?(\w+)>")
    parameters: list[Document] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in variable.findall(url)
    ]
    return variable.sub(r"{\1}", url), parameters


def _operation(receiver: Receiver, headers: Iterable[str]) -> Document:
    parameters = [
        {
            "name": header,
            "in": "header",
            "description": "Kept with the event.",
            "schema": {"type": "string"},
        }
        for header in receiver.settings.data_headers
    ]
    required: Document = {_key(header): [] for header in headers}
    return {
        "summary": "A status of an outbound WhatsApp message",
        **({"parameters": parameters} if parameters else {}),
        "security": [required] if required else [],
        "requestBody": {"$ref": "#/components/requestBodies/Event"},
        "responses": {
            str(status): {"$ref": f"#/components/responses/{_ANSWERS[status][0]}"}
            for status in sorted(_statuses())
        },
    }


def _statuses() -> set[int]:
    return {result.status.value for result in Result}


def _response(status: int) -> Document:
    is_taken = status == 200
    content_type = "application/json" if is_taken else "application/problem+json"
    schema = "Taken" if is_taken else "Problem"
    response: Document = {
        "description": _ANSWERS[status][1],
        "content": {content_type: {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }
    if status in _HEADERS:
        response["headers"] = _HEADERS[status]
    return response


def _request_body(name: str) -> Document:
    event = {"$ref": f"#/components/schemas/{name}"}
    other = {"$ref": "#/components/schemas/OtherEvent"}
    return {
        "description": "An event. An empty body is ignored.",
        "content": {"application/json": {"schema": {"anyOf": [event, other]}}},
    }


def _schemas() -> Document:
    labels = {result.label for result in Result if result.status == 200}
    texts = {"type": "array", "items": {"type": "string"}}
    return {
        "OtherEvent": {
            "type": "object",
            "description": f"An event of another type than {EVENT_TYPE}: it is ignored, and kept.",
            "required": ["event_type"],
            "properties": {
                "event_type": {"type": "string", "not": {"pattern": EVENT_TYPE_PATTERN}}
            },
        },
        "Taken": {
            "type": "object",
            "required": ["result"],
            "properties": {"result": {"enum": sorted(labels)}},
        },
        "Problem": {
            "type": "object",
            "description": "What was wrong, as RFC 9457 has it.",
            "required": ["type", "title", "status", "detail"],
            "properties": {
                "type": {"type": "string"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string"},
                "errors": {"type": "object", "additionalProperties": texts},
            },
        },
    }


def _key(header: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", header)
