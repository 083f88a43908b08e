"""What can go wrong, one base error and its children."""

from __future__ import annotations

from typing import Any

MAX_RETRY_LATER_SECONDS = 30 * 24 * 3600.0


class FreshdeskWhatsAppError(Exception):
    """The base of every error of this package."""


class ConfigurationError(FreshdeskWhatsAppError):
    """A setting is missing, wrong or unknown: the message names the key and the remedy."""


class RetryLater(FreshdeskWhatsAppError):
    """Raised by a handler that wants to be called again later.

    It is no failed attempt and is not logged as an error, but it ends where
    ``FD_WHATSAPP_GIVE_UP_AFTER`` does.  Handlers that have succeeded are not called again.

    :param seconds: how long to wait, from 0 to 30 days; sent to Freshdesk as ``Retry-After``.
    :param reason: why, for the log and for ``flask fd-whatsapp events``.
    :raises ValueError: if *seconds* is negative, not finite or more than 30 days.
    """

    def __init__(self, seconds: float = 60.0, reason: str | None = None) -> None:
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
            raise TypeError(f"RetryLater takes a number of seconds, not {seconds!r}.")
        if not 0 <= seconds <= MAX_RETRY_LATER_SECONDS:  # which NaN is not either
            raise ValueError(f"RetryLater takes 0 to 2592000 seconds (30 days), not {seconds!r}.")
        self.seconds = float(seconds)
        self.reason = reason
        super().__init__(reason or f"Call this handler again in {seconds:g} seconds.")

    def __reduce__(self) -> tuple[Any, ...]:
        """How it is pickled, by a handler's pool of processes, say."""
        return type(self), (self.seconds, self.reason)


class GiveUp(FreshdeskWhatsAppError):
    """Raised by a handler that knows it will never succeed with this event.

    It is not called again with it.  Once every other handler has succeeded or given up too, the
    event is dead.  ``flask fd-whatsapp retry --dead`` calls the handlers that gave up once more.

    :param reason: why, for the log and for ``flask fd-whatsapp events``.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class LedgerUnavailable(FreshdeskWhatsAppError):
    """The ledger cannot be read or written now; the request is answered with 503."""


class ClaimLost(FreshdeskWhatsAppError):
    """Another may handle the message now: its lease ran out, or its handler was taken to hang."""

    @classmethod
    def after(cls, lease_seconds: float) -> ClaimLost:
        """It was taken by another once the lease of so many seconds was over."""
        return cls(
            f"The message was taken by another, since its lease of {lease_seconds:g} seconds was "
            "not renewed in time. It is renewed while handlers run: this process was stopped, or "
            "the ledger could not be reached."
        )

    @classmethod
    def of_hanging_handler(cls) -> ClaimLost:
        """It was given up for the handler, which has come to an end after all."""
        return cls(
            "A handler was taken to hang and its attempt recorded as failed, before it ended."
        )


class TransactionFailed(FreshdeskWhatsAppError):
    """What a handler wrote through ``current_ledger.transaction`` could not be committed."""


class NoSuchReceiver(FreshdeskWhatsAppError, LookupError):
    """Which receiver is meant cannot be told, or there is none of that name."""


class AmbiguousMessage(FreshdeskWhatsAppError, LookupError):
    """Two accounts share a message id: ``account_id`` has to be given."""
