"""What is left of a request that was not accepted: a signal, a line in the log, a note."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from flask import Flask

from .dispatch import notify
from .ledger import Ledger, Rejection
from .log_fields import log_fields
from .outcomes import Outcome, Result
from .signals import webhook_rejected
from .throttle import Throttle

logger = logging.getLogger(__name__)

LOG_SECONDS: Final = 60
NOTE_SECONDS: Final = 10

_KEPT: Final = "It is kept in quarantine: `flask fd-whatsapp quarantine list` shows it."


class Rejections:
    """Tells what one receiver rejects.

    Handlers of ``webhook_rejected`` are told of each.  Who has no token must not be able to fill
    the log or keep the database busy: of each reason there is a line at most once a minute, and a
    note in the ledger at most once in ten seconds, for each process.

    :param name: the receiver's name.
    :param ledger: gives its ledger; it may raise.
    :param clock: a clock in seconds that never goes back.
    """

    def __init__(
        self,
        app: Flask,
        name: str,
        ledger: Callable[[], Ledger],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._name = name
        self._ledger = ledger
        self._lines = Throttle(LOG_SECONDS, clock)
        self._notes = Throttle(NOTE_SECONDS, clock)

    def tell(
        self,
        reason: Result,
        outcome: Outcome,
        cause: str,
        *,
        is_kept: bool = False,
        errors: Mapping[str, list[str]] | None = None,
    ) -> None:
        """Tell of a rejection, unless ``webhook_rejected`` is muted, as by ``check``.

        :param outcome: what is answered.
        :param cause: what was wrong and which setting decides it; never the value of a header.
        :param is_kept: the body is in quarantine.
        """
        if webhook_rejected.is_muted:
            return
        status_code = outcome.result.status.value
        self._log(reason, status_code, cause, is_kept=is_kept)
        self._note(reason, status_code, cause)
        notify(
            webhook_rejected,
            self._app,
            reason=reason.label,
            status_code=status_code,
            errors=dict(errors or {}),
        )

    def _log(self, reason: Result, status_code: int, cause: str, *, is_kept: bool) -> None:
        held_back = self._lines.admit(reason)
        if held_back is None:
            return
        since = f" {held_back} more since the last such line." if held_back else ""
        logger.warning(
            "%s: a request was rejected (%s, answered with %d). %s%s%s",
            self._name,
            reason.label,
            status_code,
            cause,
            f" {_KEPT}" if is_kept else "",
            since,
            extra=log_fields(receiver=self._name),
        )

    def _note(self, reason: Result, status_code: int, cause: str) -> None:
        if self._notes.admit(reason) is None:
            return
        try:
            self._ledger().note_rejection(
                Rejection(
                    receiver=self._name,
                    reason=reason.label,
                    status_code=status_code,
                    detail=cause,
                    last_seen=datetime.now(UTC),
                )
            )
        except Exception as error:  # whatever a ledger raises, the answer stays what it is
            logger.warning(
                "%s: the rejection could not be noted: %s",
                self._name,
                error,
                extra=log_fields(receiver=self._name),
            )
