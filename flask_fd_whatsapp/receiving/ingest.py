"""From a body to an event, or to the reason why there is none."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import copy
from math import isfinite
from typing import Any, Final

from marshmallow import Schema, ValidationError

from ..events import EVENT_TYPE, StatusEvent, is_message_event
from ..fast_load import fast_load_of
from ..log_fields import get_logger
from ..schemas import field_errors
from ..settings import Settings
from .drift_detection import DriftDetection
from .json_body import TooLarge, Unreadable, decode, decompressed
from .responses import Result

logger = get_logger(__name__)

Errors = Mapping[str, list[str]]

_MAX_SHOWN: Final = 100


class NotTaken(Exception):
    """An authenticated body that yields no event to handle.

    :param body: what is kept of it, if its result says so; decompressed where possible.
    :param detail: what was wrong, for the sender.
    :param cause: what was wrong, for the log, if that is more.
    :param errors: messages by field path, for :attr:`Result.INVALID`.
    """

    def __init__(
        self,
        result: Result,
        body: bytes,
        detail: str,
        *,
        cause: str = "",
        errors: Errors | None = None,
    ) -> None:
        super().__init__(detail)
        self.result = result
        self.body = body
        self.detail = detail
        self.cause = cause
        self.errors = errors or {}


def _without_name(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return *payload* without the name of the agent, if the actor is a plain text."""
    actor = payload["actor"]
    if not isinstance(actor, dict):
        return {**payload, "actor": None}
    kept = {key: actor[key] for key in ("id", "type") if type(actor.get(key)) in (str, int, float)}
    return {**payload, "actor": kept}


def _finite(number: str) -> float | str:
    """Return a number, or its text if Python reads it as infinite, which JSON cannot represent."""
    read = float(number)
    return read if isfinite(read) else number


class Intake:
    """Turns one receiver's authenticated bodies into events.

    :param schema: an instance whose ``load`` returns a :class:`StatusEvent`.
    :param prefix: the prefix of the receiver's keys in ``app.config``.
    :param drift: detects unknown parts of payloads.
    """

    def __init__(
        self, schema: Schema, settings: Settings, prefix: str, drift: DriftDetection
    ) -> None:
        self._schema = schema
        self._load = fast_load_of(schema)
        self._load_new = fast_load_of(schema, drift.study)
        self._settings = settings
        self._prefix = prefix
        self._drift = drift
        self._accounts_of = f"{prefix}_ACCOUNT_IDS"

    def of_account(self, key: str, settings: Settings) -> Intake:
        """Return the same for the bodies of one of many accounts."""
        own = copy(self)
        own._settings = settings
        own._accounts_of = f"the account_ids of the account {key!r}"
        return own

    def take(self, body: bytes, encoding: str) -> tuple[StatusEvent, str]:
        """Return the event in *body*, and its JSON text.

        :param encoding: the body's ``Content-Encoding``.
        :raises NotTaken: if there is no event to handle.
        """
        if not body:
            raise NotTaken(
                Result.EMPTY,
                body,
                "The body was empty.",
                cause="an authenticated request with an empty body was ignored. Logged once.",
            )
        try:
            if encoding:
                body = decompressed(body, encoding, self._settings.max_body_bytes)
            text, payload = decode(body)
            if not self._settings.store_actors and "actor" in payload:
                payload = _without_name(json.loads(text, parse_float=_finite))
                text = json.dumps(payload)  # ASCII: a lone surrogate stays escaped
                body = text.encode()
        except TooLarge as error:
            cause = f"{error} See {self._prefix}_MAX_BODY_BYTES."
            raise NotTaken(error.result, body, str(error), cause=cause) from None
        except Unreadable as error:
            raise NotTaken(error.result, body, str(error)) from None
        event_type = payload.get("event_type")
        if (
            event_type != EVENT_TYPE
            and isinstance(event_type, str)
            and not is_message_event(event_type)
        ):
            self._drift.event_type(event_type)
            raise NotTaken(
                Result.IGNORED,
                body,
                f"event_type is not {EVENT_TYPE}",
                cause=f"an event of type {event_type[:_MAX_SHOWN]} was ignored: only {EVENT_TYPE} "
                "is handled here. It is kept in quarantine; logged once per type.",
            )
        try:
            event = self._checked(self._load_new, payload)
        except ValidationError as error:
            raise NotTaken(
                Result.INVALID,
                body,
                "The event does not match the schema.",
                errors=field_errors(error.messages),
            ) from None
        accounts = self._settings.account_ids
        if accounts is not None and event.account_id not in accounts:
            raise NotTaken(
                Result.ACCOUNT,
                body,
                "Events of this account are not accepted here.",
                cause=f"Account {event.account_id} is not in {self._accounts_of}.",
            )
        self._drift.look(event)
        return event, text

    def load(self, payload: dict[str, Any]) -> StatusEvent:
        """Load a recorded payload as an event.

        :raises marshmallow.ValidationError: if it does not match the schema, or the schema raises
            another error; the body is kept in either case.
        """
        return self._checked(self._load, payload)

    def _checked(
        self, load: Callable[[dict[str, Any]], Any], payload: dict[str, Any]
    ) -> StatusEvent:
        try:
            event = load(payload)
        except ValidationError:
            raise
        except Exception as error:
            logger.exception("The schema %s failed on an event.", type(self._schema).__name__)
            raise ValidationError(f"The schema failed on it: {type(error).__name__}.") from error
        if not isinstance(event, StatusEvent):
            logger.error(
                "The schema %s has to load a StatusEvent, but returned %s.",
                type(self._schema).__name__,
                type(event).__name__,
            )
            raise ValidationError("The schema did not return a StatusEvent.")
        return event
