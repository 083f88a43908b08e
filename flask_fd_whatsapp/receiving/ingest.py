"""From a body to an event, or to the reason why not; what cannot be used is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from marshmallow import Schema, ValidationError

from ..events import EVENT_TYPE, StatusEvent, is_message_event
from ..fast_load import fast_load_of
from ..ledger import Ledger, Unusable
from ..log_fields import get_logger, log_fields
from ..schemas import field_errors
from ..settings import Settings
from ..throttle import Once
from .rejections import Rejections
from .request_body import NotJSON, NotObject, TooLarge, UnknownEncoding, decode, decompressed
from .responses import Outcome, Result

logger = get_logger(__name__)

Errors = Mapping[str, list[str]]

_MAX_SHOWN: Final = 100
_MAX_TOLD: Final = 500


class Delivery(NamedTuple):
    """An authenticated body, with the values of the data headers that came with it.

    ``is_replay``: it did not come just now, but is taken out of the quarantine.  ``encoding``: its
    ``Content-Encoding``, not undone yet.
    """

    body: bytes
    headers: Mapping[str, str]
    is_replay: bool = False
    encoding: str = ""


class Intake:
    """Takes in authenticated bodies for one receiver.

    :param name: the receiver's name, under which bodies are quarantined.
    :param prefix: what its keys in ``app.config`` begin with.
    :param ledger: gives the receiver's ledger; it may raise.
    """

    def __init__(
        self,
        name: str,
        prefix: str,
        settings: Settings,
        loader: Loader,
        ledger: Callable[[], Ledger],
        rejections: Rejections,
    ) -> None:
        self._name = name
        self._prefix = prefix
        self._settings = settings
        self._loader = loader
        self._ledger = ledger
        self._rejections = rejections
        self._ignored = Once()

    def take(self, delivery: Delivery) -> tuple[StatusEvent, str] | Outcome:
        """The event that was delivered and its JSON text, or what became of it instead.

        :raises LedgerUnavailable: if it had to be kept and could not be.
        """
        if not delivery.body:
            return self._ignore_empty(delivery)
        try:
            if delivery.encoding:
                delivery = self._decompressed(delivery)
            text, payload = decode(delivery.body)
        except TooLarge as error:
            return self._refuse_too_large(str(error))
        except UnknownEncoding as error:
            return self._refuse(delivery, Result.ENCODED, str(error))
        except NotJSON as error:
            return self._refuse(delivery, Result.NOT_JSON, str(error))
        except NotObject as error:
            return self._refuse(delivery, Result.NOT_OBJECT, str(error))
        event_type = payload.get("event_type")
        if (
            event_type != EVENT_TYPE
            and isinstance(event_type, str)
            and not is_message_event(event_type)
        ):
            return self._ignore(delivery, event_type)
        try:
            event = self._loader.load(payload)
        except ValidationError as error:
            return self._refuse(
                delivery,
                Result.INVALID,
                "The event does not meet the schema.",
                field_errors(error.messages),
            )
        accounts = self._settings.account_ids
        if accounts is not None and event.account_id not in accounts:
            return self._refuse_account(delivery, event.account_id)
        return event, text

    def _decompressed(self, delivery: Delivery) -> Delivery:
        limit = self._settings.max_body_bytes
        return delivery._replace(body=decompressed(delivery.body, delivery.encoding, limit))

    def _ignore_empty(self, delivery: Delivery) -> Outcome:
        outcome = Outcome(Result.IGNORED)
        if not delivery.is_replay:
            if self._ignored.admit(None):
                logger.warning(
                    "%s: an authenticated request with an empty body was ignored. This is said "
                    "once.",
                    self._name,
                )
            self._rejections.note(Result.IGNORED, outcome, "The body was empty.")
        return outcome

    def _ignore(self, delivery: Delivery, event_type: str) -> Outcome:
        self._keep(delivery, Result.IGNORED, f"event_type is not {EVENT_TYPE}")
        if self._ignored.admit(event_type) and not delivery.is_replay:
            logger.warning(
                "%s: an event of type %s was ignored: only %s is handled here. It is kept in "
                "quarantine; this is said once a type.",
                self._name,
                event_type[:_MAX_SHOWN],
                EVENT_TYPE,
            )
        return Outcome(Result.IGNORED)

    def _refuse_too_large(self, detail: str) -> Outcome:
        outcome = Outcome(Result.TOO_LARGE, detail)
        cause = f"{detail} See {self._prefix}_MAX_BODY_BYTES."
        self._rejections.tell(Result.TOO_LARGE, outcome, cause)
        return outcome

    def _refuse_account(self, delivery: Delivery, account_id: str) -> Outcome:
        detail = "The event is of an account that is not taken here."
        self._keep(delivery, Result.ACCOUNT, detail)
        outcome = Outcome(Result.ACCOUNT, detail)
        cause = f"Account {account_id} is not in {self._prefix}_ACCOUNT_IDS."
        self._tell(delivery, Result.ACCOUNT, outcome, cause)
        return outcome

    def _refuse(
        self, delivery: Delivery, result: Result, detail: str, errors: Errors | None = None
    ) -> Outcome:
        """Keep an unusable body; the answer is an error or, since it is kept, 200."""
        errors = errors or {}
        told = "; ".join(f"{path}: {' '.join(texts)}" for path, texts in errors.items())
        self._keep(delivery, result, told or detail)
        rejects = self._settings.reject_invalid
        if rejects is None:
            rejects = not self._ledger().durable
        outcome = Outcome(result, detail, errors) if rejects else Outcome(Result.QUARANTINED)
        cause = f"{detail} {told[:_MAX_TOLD]}".strip()
        self._tell(delivery, result, outcome, cause, errors)
        return outcome

    def _tell(
        self,
        delivery: Delivery,
        result: Result,
        outcome: Outcome,
        cause: str,
        errors: Errors | None = None,
    ) -> None:
        if not delivery.is_replay:  # whose rejection was told of when it came
            self._rejections.tell(result, outcome, cause, is_kept=True, errors=errors)

    def _keep(self, delivery: Delivery, result: Result, detail: str) -> None:
        unusable = Unusable(
            receiver=self._name,
            body=delivery.body,
            reason=result.label,
            detail=detail,
            headers=delivery.headers,
        )
        keep = self._settings.quarantine_max
        dropped = self._ledger().quarantine.keep(
            unusable, at_most=keep, is_replay=delivery.is_replay
        )
        if dropped:
            logger.warning(
                "The quarantine is full (%s_QUARANTINE_MAX is %d): %d not seen for longest had "
                "to go.",
                self._prefix,
                keep,
                dropped,
                extra=log_fields(receiver=self._name),
            )


logger = get_logger(__name__)

KNOWN_MAJOR_VERSION = "1"


class Loader:
    """Loads events with a schema, built once.

    :param schema: an instance whose ``load`` gives a :class:`StatusEvent`.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._load = fast_load_of(schema)
        self._has_warned_of_version = False

    def load(self, payload: dict[str, Any]) -> StatusEvent:
        """*payload* as an event.

        :raises marshmallow.ValidationError: if it does not meet the schema, or if the schema
            breaks on it: what came in is kept all the same.
        """
        try:
            event = self._load(payload)
        except ValidationError:
            raise
        except Exception as error:
            logger.exception("The schema %s broke on an event.", type(self.schema).__name__)
            raise ValidationError(f"The schema broke on it: {type(error).__name__}.") from error
        if not isinstance(event, StatusEvent):
            logger.error(
                "The schema %s has to load a StatusEvent, and gave %s.",
                type(self.schema).__name__,
                type(event).__name__,
            )
            raise ValidationError("The schema gave no StatusEvent.")
        self._warn_of_version(event)
        return event

    def _warn_of_version(self, event: StatusEvent) -> None:
        version = event.version
        if version is None or version.partition(".")[0] == KNOWN_MAJOR_VERSION:
            return
        if not self._has_warned_of_version:
            self._has_warned_of_version = True
            logger.warning(
                "An event has version %r; version %s is what is known here. It is taken, and "
                "this is said once.",
                version[:20],
                KNOWN_MAJOR_VERSION,
            )
