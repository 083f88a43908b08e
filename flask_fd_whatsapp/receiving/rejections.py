"""What becomes of a request that is not accepted: an answer, and what is kept and told of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from copy import copy
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Final

from flask import Flask

from ..handling.notices import notify
from ..ledger import Ledger, Rejection, Unusable
from ..ledger.records import name_of_account
from ..log_fields import get_logger, log_fields
from ..settings import Settings
from ..signals import webhook_rejected
from ..throttle import Once, Throttle
from .ingest import NotTaken
from .notes import Notes
from .responses import RETRY_UNAVAILABLE, Outcome, Result

logger = get_logger(__name__)

LOG_SECONDS: Final = 60

_MAX_TOLD: Final = 500

_KEPT: Final = "It is kept in quarantine: `flask fd-whatsapp quarantine list` shows it."


class Rejections:
    """Rejects what one receiver does not accept.

    Handlers of ``webhook_rejected`` are told of each.  Who has no token must not be able to fill
    the log, keep the database busy or have others wait: of each reason there is a line at most
    once a minute, and notes in the ledger are written beside the requests.  A 401 that carried
    none of the headers counts as another reason than one with a wrong header.

    :param name: the receiver's name.
    :param prefix: what its keys in ``app.config`` begin with.
    :param notes: keeps the last one of each reason.
    :param clock: a clock in seconds that never goes back.
    """

    def __init__(
        self,
        app: Flask,
        name: str,
        prefix: str,
        settings: Settings,
        notes: Notes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._name = self._kept_as = name
        self._hides = False
        self._prefix = prefix
        self._settings = settings
        self._notes = notes
        self._clock = clock
        self._lines = Throttle(LOG_SECONDS, clock)
        self._ignored = Once()

    def of_account(self, key: str) -> Rejections:
        """The same for one of many accounts: its bodies, notes and lines are kept apart.

        No answer to a stranger takes longer for that: it would tell which accounts there are.

        :param key: the account's; empty for whoever asks for an account that is not known, which
            is as good as a request without a header.
        """
        own = copy(self)
        own._hides = True
        if key:
            own._kept_as = name_of_account(self._name, key)
            own._lines = Throttle(LOG_SECONDS, self._clock)
        return own

    def reject(
        self, result: Result, detail: str, cause: str = "", *, has_no_header: bool = False
    ) -> Outcome:
        """Tell of a request refused before its body was looked at, or whose body could not be.

        :param detail: what the sender is told was wrong.
        :param cause: what is told here, if it is more: never the value of a header.
        :param has_no_header: it carried none of the configured headers.
        """
        is_temporary = result.status is HTTPStatus.SERVICE_UNAVAILABLE
        outcome = Outcome(result, detail, retry_after=RETRY_UNAVAILABLE if is_temporary else None)
        self._tell(result, outcome, cause or detail, has_no_header=has_no_header)
        return outcome

    def refuse(
        self,
        reason: NotTaken,
        headers: Mapping[str, str],
        ledger: Ledger | None,
        *,
        is_replay: bool = False,
    ) -> Outcome:
        """Keep and tell of an authenticated body that gives no event.

        :param headers: the values of the data headers that came with it.
        :param ledger: its quarantine, ``None`` if it is not to be kept.
        :param is_replay: its rejection was told of when it came.
        :raises LedgerUnavailable: if it had to be kept and could not be.
        """
        result = reason.result
        told = "; ".join(f"{path}: {' '.join(texts)}" for path, texts in reason.errors.items())
        outcome = Outcome(result, reason.detail, reason.errors)
        if ledger is not None:
            self._keep(reason, told or reason.detail, headers, ledger, is_replay=is_replay)
            # Another's event is refused whatever becomes of the body.
            is_unusable = result is not Result.ACCOUNT and result.status is not HTTPStatus.OK
            if is_unusable and not self._settings.rejects_invalid(is_durable=ledger.durable):
                outcome = Outcome(Result.QUARANTINED)
        if is_replay:
            return outcome
        if result.status is HTTPStatus.OK:
            self._ignore(reason, outcome)
        else:
            cause = reason.cause or f"{reason.detail} {told[:_MAX_TOLD]}".strip()
            self._tell(result, outcome, cause, errors=reason.errors)
        return outcome

    def _keep(
        self,
        reason: NotTaken,
        detail: str,
        headers: Mapping[str, str],
        ledger: Ledger,
        *,
        is_replay: bool,
    ) -> None:
        unusable = Unusable(
            receiver=self._kept_as,
            body=reason.body,
            reason=reason.result.label,
            detail=detail,
            headers=headers,
        )
        keep = self._settings.quarantine_max
        dropped = ledger.quarantine.keep(unusable, at_most=keep, is_replay=is_replay)
        if dropped:
            logger.warning(
                "The quarantine is full (%s_QUARANTINE_MAX is %d): %d not seen for longest had "
                "to go.",
                self._prefix,
                keep,
                dropped,
                extra=log_fields(receiver=self._name),
            )

    def _ignore(self, reason: NotTaken, outcome: Outcome) -> None:
        """Leave a trace of what is no error: a line once of each kind, a note if it is not kept."""
        if self._ignored.admit(reason.cause):
            logger.warning("%s: %s", self._name, reason.cause)
        if not reason.result.is_kept and not webhook_rejected.is_muted:
            self._notes.rejection(self._rejection(reason.result, outcome, reason.detail))

    def _tell(
        self,
        reason: Result,
        outcome: Outcome,
        cause: str,
        *,
        has_no_header: bool = False,
        errors: Mapping[str, list[str]] | None = None,
    ) -> None:
        """Tell of a rejection, unless ``webhook_rejected`` is muted, as by ``check``.

        :param outcome: what is answered.
        :param cause: what was wrong and which setting decides it; never the value of a header.
        """
        if webhook_rejected.is_muted:
            return
        rejection = self._rejection(reason, outcome, cause, has_no_header=has_no_header)
        hides = self._hides and reason is Result.UNAUTHENTICATED
        held_back = self._lines.admit((reason, has_no_header))
        if held_back is not None:
            level = logging.CRITICAL if reason is Result.UNREAD else logging.WARNING
            log = partial(self._log, level, rejection, held_back, is_kept=reason.is_kept)
            if hides:
                self._notes.line((self._kept_as, has_no_header), log)
            else:
                log()
        self._notes.rejection(rejection, waits=not hides)
        if reason is Result.UNREAD:
            return  # nobody knows what was in it, and it is sent again
        notify(
            webhook_rejected,
            self._app,
            reason=reason.label,
            status_code=rejection.status_code,
            errors=dict(errors or {}),
        )

    def _rejection(
        self, reason: Result, outcome: Outcome, cause: str, *, has_no_header: bool = False
    ) -> Rejection:
        return Rejection(
            receiver=self._kept_as,
            reason=reason.label,
            status_code=outcome.result.status.value,
            detail=cause,
            last_seen=datetime.now(UTC),
            has_no_header=has_no_header,
        )

    def _log(self, level: int, rejection: Rejection, held_back: int, *, is_kept: bool) -> None:
        since = f" {held_back} more since the last such line." if held_back else ""
        logger.log(
            level,
            "%s: a request was rejected (%s, answered with %d). %s%s%s",
            self._kept_as,
            rejection.reason,
            rejection.status_code,
            rejection.detail,
            f" {_KEPT}" if is_kept else "",
            since,
            extra=log_fields(receiver=self._name),
        )
