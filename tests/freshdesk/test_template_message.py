"""Templates, and their form in the API."""

from __future__ import annotations

from typing import Any

import pytest

from flask_fd_whatsapp.freshdesk import Document, Image, TemplateMessage, URLButton, Video


def components(**parts: Any) -> list[dict[str, Any]]:
    template = TemplateMessage("order_update", "en", **parts).as_json()["template"]
    found: list[dict[str, Any]] = template["components"]
    return found


def test_without_placeholders() -> None:
    """A template without placeholders has no components at all."""
    assert TemplateMessage("order_update", "pt_BR").as_json() == {
        "type": "TEMPLATE",
        "template": {"name": "order_update", "language": {"code": "pt_BR"}},
    }


def test_components_are_header_body_and_buttons_in_order() -> None:
    """Header, body and buttons are components in this order, a button's index is text."""
    parts = components(body=["Ada", "12"], header="Hello", buttons=[URLButton(1, "a/b")])
    assert parts == [
        {"type": "header", "parameters": [{"type": "text", "text": "Hello"}]},
        {
            "type": "body",
            "parameters": [{"type": "text", "text": "Ada"}, {"type": "text", "text": "12"}],
        },
        {
            "type": "button",
            "sub_type": "url",
            "index": "1",
            "parameters": [{"type": "text", "text": "a/b"}],
        },
    ]


@pytest.mark.parametrize("kind", [Image, Document, Video])
def test_media_header_names_its_link(kind: type[Image]) -> None:
    """A header of an image, a document or a video names its link."""
    name = kind.__name__.lower()
    (header,) = components(header=kind("https://example.com/a"))
    assert header["parameters"] == [{"type": name, name: {"link": "https://example.com/a"}}]


WRONG: dict[str, tuple[type[Exception], dict[str, Any]]] = {
    "body is one text": (TypeError, {"body": "Ada"}),
    "body holds a number": (TypeError, {"body": [7]}),
    "body holds nothing": (ValueError, {"body": ["Ada", " "]}),
    "header is a number": (TypeError, {"header": 7}),
    "no name": (ValueError, {"name": ""}),
    "no language": (TypeError, {"language": None}),
}


@pytest.mark.parametrize(("kind", "parts"), WRONG.values(), ids=WRONG)
def test_parts_that_the_api_would_refuse_are_errors(
    kind: type[Exception], parts: dict[str, Any]
) -> None:
    """What the API would refuse is an error when the template is created."""
    with pytest.raises(kind):
        TemplateMessage(**{"name": "order_update", "language": "en", **parts})


@pytest.mark.parametrize("index", [-1, True, "0"])
def test_wrong_index(index: Any) -> None:
    """A button's index is a whole number from 0."""
    with pytest.raises((TypeError, ValueError), match="index"):
        URLButton(index, "a")


def test_content_is_not_shown() -> None:
    """The text of a message is in no repr."""
    message = TemplateMessage(
        "order_update",
        "en",
        body=["Ada"],
        header=Image("https://x/Ada"),
        buttons=[URLButton(0, "Ada")],
    )
    assert "Ada" not in repr([message, message.header, *message.buttons])
