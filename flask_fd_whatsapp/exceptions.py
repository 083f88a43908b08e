"""The exceptions: one base class and its children."""

from __future__ import annotations

from typing import Any

MAX_RETRY_LATER_SECONDS = 30 * 24 * 3600.0


class FreshdeskWhatsAppError(Exception):
    """The base class of every error of this package."""


class ConfigurationError(FreshdeskWhatsAppError):
    """A setting is missing, wrong or unknown: the message names the key and the remedy."""


class RetryLater(FreshdeskWhatsAppError):
    """Raised by a handler that wants to be called again later.

    This is not a failed attempt and is not logged as an error, but ``FD_WHATSAPP_GIVE_UP_AFTER``
    still applies. Handlers that have succeeded are not called again.

    :param seconds: how long to wait, from 0 to 30 days; sent to Freshdesk as ``Retry-After``.
    :param reason: the reason, for the log and ``flask fd-whatsapp events``.
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
        """Return how to pickle it, for example by a handler's process pool."""
        return type(self), (self.seconds, self.reason)


class GiveUp(FreshdeskWhatsAppError):
    """Raised by a handler that knows it will never succeed with this event.

    The handler is not called again for this event. Once every other handler has succeeded or given
    up too, the event is dead. ``flask fd-whatsapp retry --dead`` calls the handlers that gave up
    again.

    :param reason: the reason, for the log and ``flask fd-whatsapp events``.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class LedgerUnavailable(FreshdeskWhatsAppError):
    """The ledger cannot be read or written at the moment; the request is answered with 503."""


class ClaimLost(FreshdeskWhatsAppError):
    """The claim is lost: its lease expired, or the handler was reported as hanging."""

    @classmethod
    def after(cls, lease_seconds: float) -> ClaimLost:
        """Return the error for a claim that expired after *lease_seconds* and was taken over."""
        return cls(
            f"Lost the lease: it was not renewed within {lease_seconds:g} seconds, and another "
            "worker claimed the message. Leases are renewed while handlers run: either this "
            "process was stopped, or the ledger could not be reached."
        )

    @classmethod
    def of_hanging_handler(cls) -> ClaimLost:
        """Return the error for a handler that was reported as hanging but has returned."""
        return cls(
            "The handler was reported as hanging, and its attempt recorded as failed, before it "
            "returned."
        )


class TransactionFailed(FreshdeskWhatsAppError):
    """The handler's writes through ``current_ledger.transaction`` could not be committed."""


class NoSuchReceiver(FreshdeskWhatsAppError, LookupError):
    """No receiver has that name, or it is ambiguous which receiver is meant."""


class AmbiguousMessage(FreshdeskWhatsAppError, LookupError):
    """Two accounts share a message id: ``account_id`` is required."""

    @classmethod
    def of(cls, message_id: str, account_id: str) -> AmbiguousMessage:
        """Return the error for a message id; *account_id* is one of the accounts that have it."""
        return cls(
            f"Message {message_id} exists in several accounts: pass account_id, such as "
            f"{account_id}."
        )
