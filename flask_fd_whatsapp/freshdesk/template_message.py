"""A message from an approved template, with the values of its placeholders.

The body has the shape shown in a public copy of the API's documentation (January 2026).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


def _text(value: object, what: str) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{what} has to be text, not a value of type {type(value).__name__}.")
    if not value.strip():
        raise ValueError(f"{what} is empty.")


@dataclass(frozen=True, slots=True)
class _Media:
    """A file that Freshdesk fetches when the message is sent.

    :param link: its URL, which has to be public.
    """

    link: str = field(repr=False)

    def __post_init__(self) -> None:
        _text(self.link, "The link of an image, document or video")


class Image(_Media):
    """An image in the header."""

    __slots__ = ()


class Document(_Media):
    """A document in the header."""

    __slots__ = ()


class Video(_Media):
    """A video in the header."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class URLButton:
    """The variable part of a button's URL.

    :param index: the button's position in the template, from 0.
    :param text: the variable part of its URL.
    """

    index: int
    text: str = field(repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.index, bool) or not isinstance(self.index, int):
            raise TypeError("The index of a button is a whole number, counted from 0.")
        if self.index < 0:
            raise ValueError("The index of a button is counted from 0.")
        _text(self.text, "The text of a button")


@dataclass(frozen=True, slots=True)
class TemplateMessage:
    """An approved template, and the values of its placeholders.

    :param name: the template's name.
    :param language: its language code, such as ``en`` or ``pt_BR``.
    :param body: the values of the body's placeholders, in order.
    :param header: the value of the header's placeholder, or an :class:`Image`, :class:`Document` or
        :class:`Video`.
    :param buttons: the variable parts of the buttons' URLs.
    :raises TypeError: for a value that has to be text but is not.
    :raises ValueError: for an empty value.
    """

    name: str
    language: str
    body: Sequence[str] = field(default=(), repr=False, kw_only=True)
    header: str | Image | Document | Video | None = field(default=None, repr=False, kw_only=True)
    buttons: Sequence[URLButton] = field(default=(), repr=False, kw_only=True)

    def __post_init__(self) -> None:
        _text(self.name, "The name of a template")
        _text(self.language, "The language of a template")
        if isinstance(self.body, str):
            raise TypeError("body is a list of texts, one for each placeholder: write [text].")
        for part in self.body:
            _text(part, "The value of a placeholder in the body")
        if self.header is not None and not isinstance(self.header, _Media):
            _text(self.header, "The value of the placeholder in the header")

    def as_json(self) -> dict[str, Any]:
        """Return the request's ``message``, without components that have no placeholders."""
        template: dict[str, Any] = {"name": self.name, "language": {"code": self.language}}
        if components := list(self._components()):
            template["components"] = components
        return {"type": "TEMPLATE", "template": template}

    def _components(self) -> Iterator[Mapping[str, Any]]:
        if self.header is not None:
            yield {"type": "header", "parameters": [_parameter(self.header)]}
        if self.body:
            yield {"type": "body", "parameters": [_parameter(text) for text in self.body]}
        for button in self.buttons:
            yield {
                "type": "button",
                "sub_type": "url",
                "index": str(button.index),  # documented as a number, and text in the samples
                "parameters": [_parameter(button.text)],
            }


def _parameter(value: str | _Media) -> dict[str, Any]:
    if isinstance(value, _Media):
        kind = type(value).__name__.lower()
        return {"type": kind, kind: {"link": value.link}}
    return {"type": "text", "text": value}
