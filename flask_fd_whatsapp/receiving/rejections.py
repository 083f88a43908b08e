"""What is left of a request that was not accepted: a signal, a line in the log, a note."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from flask import Flask

from ..handling.dispatch import notify
from ..ledger import Rejection
from ..log_fields import get_logger, log_fields
from ..signals import webhook_rejected
from ..throttle import Throttle
from .notes import Notes
from .responses import Outcome, Result

logger = get_logger(__name__)

LOG_SECONDS: Final = 60

_KEPT: Final = "It is kept in quarantine: `flask fd-whatsapp quarantine list` shows it."


class Rejections:
    """Tells what one receiver rejects.

    Handlers of ``webhook_rejected`` are told of each.  Who has no token must not be able to fill
    the log, keep the database busy or have others wait: of each reason there is a line at most
    once a minute, and notes in the ledger are written beside the requests.  A 401 that carried
    none of the headers counts as another reason than one with a wrong header.

    :param name: the receiver's name.
    :param notes: keeps the last one of each reason.
    :param clock: a clock in seconds that never goes back.
    """

    def __init__(
        self,
        app: Flask,
        name: str,
        notes: Notes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._name = name
        self._lines = Throttle(LOG_SECONDS, clock)
        self._notes = notes

    def tell(
        self,
        reason: Result,
        outcome: Outcome,
        cause: str,
        *,
        is_kept: bool = False,
        has_no_header: bool = False,
        errors: Mapping[str, list[str]] | None = None,
    ) -> None:
        """Tell of a rejection, unless ``webhook_rejected`` is muted, as by ``check``.

        :param outcome: what is answered.
        :param cause: what was wrong and which setting decides it; never the value of a header.
        :param is_kept: the body is in quarantine.
        :param has_no_header: it carried none of the configured headers.
        """
        if webhook_rejected.is_muted:
            return
        rejection = self._rejection(reason, outcome, cause, has_no_header=has_no_header)
        held_back = self._lines.admit((reason, has_no_header))
        if held_back is not None:
            level = logging.CRITICAL if reason is Result.UNREAD else logging.WARNING
            self._log(level, rejection, held_back, is_kept=is_kept)
        self._notes.rejection(rejection)
        if reason is Result.UNREAD:
            return  # nobody knows what was in it, and it is sent again
        notify(
            webhook_rejected,
            self._app,
            reason=reason.label,
            status_code=rejection.status_code,
            errors=dict(errors or {}),
        )

    def note(self, reason: Result, outcome: Outcome, cause: str) -> None:
        """Leave a note in the ledger, and nothing else; parameters as for :meth:`tell`."""
        if not webhook_rejected.is_muted:
            self._notes.rejection(self._rejection(reason, outcome, cause))

    def _rejection(
        self, reason: Result, outcome: Outcome, cause: str, *, has_no_header: bool = False
    ) -> Rejection:
        return Rejection(
            receiver=self._name,
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
            self._name,
            rejection.reason,
            rejection.status_code,
            rejection.detail,
            f" {_KEPT}" if is_kept else "",
            since,
            extra=log_fields(receiver=self._name),
        )
