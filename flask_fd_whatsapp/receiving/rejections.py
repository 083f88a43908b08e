"""Reports rejected requests: answer, signal, log line, ledger row."""

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
    """Rejects the requests that one receiver does not accept.

    Handlers of ``webhook_rejected`` are called for each. A sender without a token must not be able
    to flood the log, keep the database busy or make others wait: each rejection reason is logged at
    once, then at most once a minute, and ledger rows are written in the background. A 401 that
    carried none of the headers is a different reason than one with a wrong header.

    :param name: the receiver's name.
    :param prefix: the prefix of its keys in ``app.config``.
    :param notes: records the last rejection of each reason.
    :param clock: a monotonic clock in seconds.
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
        """Return the same for one of many accounts, whose bodies, notes and log lines are kept
        apart.

        Rejecting a request takes no longer for it: timing would reveal which accounts exist.

        :param key: the account's key; empty for an unknown account, whose requests are treated like
            those without a header.
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
        """Report a request that was rejected before its body was read, or as unreadable.

        :param detail: what was wrong, for the sender.
        :param cause: what was wrong, for the log, if that is more; never the value of a header.
        :param has_no_header: whether it carried none of the configured headers.
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
        """Keep and report an authenticated body that yields no event.

        :param headers: the values of the data headers that came with it.
        :param ledger: its quarantine, ``None`` if the body is not to be kept.
        :param is_replay: whether its rejection was reported when it was received.
        :raises LedgerUnavailable: if it has to be kept, but cannot be.
        """
        result = reason.result
        told = "; ".join(f"{path}: {' '.join(texts)}" for path, texts in reason.errors.items())
        outcome = Outcome(result, reason.detail, reason.errors)
        if ledger is not None:
            self._keep(reason, told or reason.detail, headers, ledger, is_replay=is_replay)
            # An event of another account is rejected, whatever happens to the body.
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
                "The quarantine is full (%s_QUARANTINE_MAX is %d): evicted %d least recently seen "
                "entries.",
                self._prefix,
                keep,
                dropped,
                extra=log_fields(receiver=self._name),
            )

    def _ignore(self, reason: NotTaken, outcome: Outcome) -> None:
        """Record what is ignored: a log line once per kind, and a ledger row if not kept."""
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
        """Report a rejection, unless ``webhook_rejected`` is muted, as ``check`` does.

        :param outcome: the answer.
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
            return  # its content is unknown, and it is resent
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
