"""From a body to an event, or to the reason why not."""

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
    """An authenticated body that gives no event to handle.

    :param body: what is kept of it, where its result says so: decompressed, if it could be.
    :param detail: what was wrong, for the sender.
    :param cause: what is told here, if it is more.
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
    """*payload* without the name of the agent, which is an actor that is a text."""
    actor = payload["actor"]
    if not isinstance(actor, dict):
        return {**payload, "actor": None}
    kept = {key: actor[key] for key in ("id", "type") if type(actor.get(key)) in (str, int, float)}
    return {**payload, "actor": kept}


def _finite(number: str) -> float | str:
    """A number, or its text if Python has it as infinite, which JSON cannot be written with."""
    read = float(number)
    return read if isfinite(read) else number


class Intake:
    """Takes in one receiver's authenticated bodies.

    :param schema: an instance whose ``load`` gives a :class:`StatusEvent`.
    :param prefix: what the receiver's keys in ``app.config`` begin with.
    :param drift: finds what is not known in what comes.
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
        """The same for the bodies of one of many accounts."""
        own = copy(self)
        own._settings = settings
        own._accounts_of = f"the account_ids of the account {key!r}"
        return own

    def take(self, body: bytes, encoding: str) -> tuple[StatusEvent, str]:
        """The event in *body*, and its JSON text.

        :param encoding: the body's ``Content-Encoding``.
        :raises NotTaken: if there is none to handle.
        """
        if not body:
            raise NotTaken(
                Result.EMPTY,
                body,
                "The body was empty.",
                cause="an authenticated request with an empty body was ignored. This is said once.",
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
                "is handled here. It is kept in quarantine; this is said once a type.",
            )
        try:
            event = self._checked(self._load_new, payload)
        except ValidationError as error:
            raise NotTaken(
                Result.INVALID,
                body,
                "The event does not meet the schema.",
                errors=field_errors(error.messages),
            ) from None
        accounts = self._settings.account_ids
        if accounts is not None and event.account_id not in accounts:
            raise NotTaken(
                Result.ACCOUNT,
                body,
                "The event is of an account that is not taken here.",
                cause=f"Account {event.account_id} is not in {self._accounts_of}.",
            )
        self._drift.look(event)
        return event, text

    def load(self, payload: dict[str, Any]) -> StatusEvent:
        """A recorded payload as an event.

        :raises marshmallow.ValidationError: if it does not meet the schema, or if the schema
            breaks on it: what came in is kept all the same.
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
            logger.exception("The schema %s broke on an event.", type(self._schema).__name__)
            raise ValidationError(f"The schema broke on it: {type(error).__name__}.") from error
        if not isinstance(event, StatusEvent):
            logger.error(
                "The schema %s has to load a StatusEvent, and gave %s.",
                type(self._schema).__name__,
                type(event).__name__,
            )
            raise ValidationError("The schema gave no StatusEvent.")
        return event
