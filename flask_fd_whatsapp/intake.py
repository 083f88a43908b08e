"""From a body to an event, or to the reason why not; what cannot be used is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import Flask
from marshmallow import ValidationError

from .bodies import NotJSON, NotObject, decode
from .dispatch import notify
from .events import EVENT_TYPE, StatusEvent
from .ledger import Ledger
from .loading import Loader
from .outcomes import Outcome, Result
from .schemas import field_errors
from .settings import Settings
from .signals import webhook_rejected

Errors = Mapping[str, list[str]]


class Intake:
    """Takes in authenticated bodies for one receiver.

    :param name: the receiver's name, under which bodies are quarantined.
    :param ledger: gives the receiver's ledger; it may raise.
    """

    def __init__(
        self,
        app: Flask,
        name: str,
        settings: Settings,
        loader: Loader,
        ledger: Callable[[], Ledger],
    ) -> None:
        self._app = app
        self._name = name
        self._settings = settings
        self._loader = loader
        self._ledger = ledger

    def take(self, body: bytes, headers: Mapping[str, str]) -> tuple[StatusEvent, str] | Outcome:
        """The event in *body* and its JSON text, or what became of it instead.

        :raises LedgerUnavailable: if it had to be kept and could not be.
        """
        if not body:
            return Outcome(Result.IGNORED)
        try:
            text, payload = decode(body)
        except NotJSON as error:
            return self._refuse(body, headers, Result.NOT_JSON, str(error))
        except NotObject as error:
            return self._refuse(body, headers, Result.NOT_OBJECT, str(error))
        event_type = payload.get("event_type")
        if isinstance(event_type, str) and event_type != EVENT_TYPE:
            self._keep(body, headers, Result.IGNORED, f"event_type is not {EVENT_TYPE}")
            return Outcome(Result.IGNORED)
        try:
            event = self._loader.load(payload)
        except ValidationError as error:
            errors = field_errors(error.messages)
            return self._refuse(
                body, headers, Result.INVALID, "The event does not meet the schema.", errors
            )
        accounts = self._settings.account_ids
        if accounts is not None and event.account_id not in accounts:
            detail = "The event is of an account that is not taken here."
            self._keep(body, headers, Result.ACCOUNT, detail)
            return self.reject(Result.ACCOUNT, detail)
        return event, text

    def reject(self, result: Result, detail: str, errors: Errors | None = None) -> Outcome:
        """Tell of a rejection, and give its outcome."""
        return self._tell(result, Outcome(result, detail, errors or {}), errors)

    def _tell(self, result: Result, outcome: Outcome, errors: Errors | None = None) -> Outcome:
        notify(
            webhook_rejected,
            self._app,
            reason=result.label,
            status_code=outcome.result.status.value,
            errors=dict(errors or {}),
        )
        return outcome

    def _refuse(
        self,
        body: bytes,
        headers: Mapping[str, str],
        result: Result,
        detail: str,
        errors: Errors | None = None,
    ) -> Outcome:
        """Keep an unusable body; the answer is an error or, since it is kept, 200."""
        self._keep(body, headers, result, detail, errors)
        rejects = self._settings.reject_invalid
        if rejects is None:
            rejects = not self._ledger().durable
        if rejects:
            return self.reject(result, detail, errors)
        return self._tell(result, Outcome(Result.QUARANTINED), errors)

    def _keep(
        self,
        body: bytes,
        headers: Mapping[str, str],
        result: Result,
        detail: str,
        errors: Errors | None = None,
    ) -> None:
        if errors:
            detail = "; ".join(f"{path}: {' '.join(texts)}" for path, texts in errors.items())
        self._ledger().quarantine(
            body,
            receiver=self._name,
            reason=result.label,
            detail=detail,
            headers=headers,
            keep=self._settings.quarantine_max,
        )
