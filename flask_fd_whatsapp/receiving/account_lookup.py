"""Looks up the account that a URL names, so that one can be added without a restart."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from threading import Event, Lock
from typing import Final, Generic, NamedTuple, TypeVar

from flask import Flask

from ..accounts import MOST_CHARACTERS, Account, Accounts
from ..escaping import quoted
from ..exceptions import FreshdeskWhatsAppError
from ..ledger import Ledger
from ..ledger.records import ACCOUNT_SEPARATOR
from ..log_fields import get_logger, log_fields
from ..per_process import PerProcess
from ..throttle import Throttle

logger = get_logger(__name__)

R = TypeVar("R")

CACHE_SECONDS: Final = 10.0
MOST_KNOWN: Final = 10_000
MOST_UNKNOWN: Final = 1_000
LOG_SECONDS: Final = 60

WAIT_SECONDS: Final = 5.0
"""How long a request waits at most for another that is looking up the same key."""


class AccountsUnavailable(FreshdeskWhatsAppError):
    """The application could not say whether the account exists."""

    @classmethod
    def of(cls, receiver: str, key: str, error: BaseException | None) -> AccountsUnavailable:
        """Return the error for a key.

        :param error: what the application raised.
        """
        return cls(
            f"{receiver}: accounts raised {type(error).__name__} for {quoted(key)}: see the log."
        )

    @classmethod
    def of_hanging(cls, receiver: str, key: str) -> AccountsUnavailable:
        """Return the error for a key that another thread is still looking up."""
        return cls(
            f"{receiver}: accounts has not answered for {quoted(key)} within {WAIT_SECONDS:g} "
            "seconds: find out what your callable waits for."
        )


class _Found(NamedTuple, Generic[R]):
    at: float
    account: Account | None
    receiver: R | None


class _Question(Generic[R]):
    """A key that one thread looks up while others wait for the result."""

    def __init__(self) -> None:
        self.is_answered = Event()
        self.found: _Found[R] | None = None
        self.error: BaseException | None = None


class AccountLookup(Generic[R]):
    """The accounts of one receiver.

    A callable's answers are cached for :data:`CACHE_SECONDS`; of several threads that need the same
    one, only one asks. Unknown keys are cached separately, so that a scanner evicts no known
    account.

    :param name: the receiver's name.
    :param accounts: the mapping, or the callable, which is called in an application context.
    :param receiver_of: creates an account's receiver from its key and the account.
    :param clock: a monotonic clock in seconds.
    """

    def __init__(
        self,
        app: Flask,
        name: str,
        accounts: Accounts,
        receiver_of: Callable[[str, Account], R],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._name = name
        self._accounts = accounts
        self._receiver_of = receiver_of
        self._seconds = 0.0 if isinstance(accounts, Mapping) else CACHE_SECONDS
        self._clock = clock
        self._lock = Lock()
        self._known: OrderedDict[str, _Found[R]] = OrderedDict()
        self._unknown: OrderedDict[str, _Found[R]] = OrderedDict()
        self._questions: PerProcess[dict[str, _Question[R]]] = PerProcess(dict)
        self._lines = Throttle(LOG_SECONDS, clock)
        # Requests to unknown accounts are compared with these, so that they take equally long.
        nobody = Account({"Authorization": secrets.token_hex(32)}, ["0"])
        self.stranger = receiver_of("", nobody)

    def find(self, key: str) -> R | None:
        """Return the receiver of an account's events, ``None`` if there is no such account.

        :raises AccountsUnavailable: if the application raised, which is logged.
        """
        if len(key) > MOST_CHARACTERS or not key.isprintable():
            return None
        found = self._remembered(key)
        if found is None:
            is_asked = not isinstance(self._accounts, Mapping)
            found = self._ask_once(key) if is_asked else self._look_up(key)
        return found.receiver

    def _remembered(self, key: str) -> _Found[R] | None:
        """Return the cached result, unless it has expired."""
        found = self._known.get(key) or self._unknown.get(key)
        if found is None or self._clock() - found.at >= self._seconds:
            return None
        return found

    def _ask_once(self, key: str) -> _Found[R]:
        """Ask, or wait for the thread that is asking for this key."""
        questions, mine = self._questions.get(), _Question[R]()
        asked = questions.setdefault(key, mine)
        if asked is mine:
            try:
                # Another thread may have cached the result meanwhile.
                mine.found = self._remembered(key) or self._look_up(key)
            except BaseException as error:
                mine.error = error.__cause__
                raise
            finally:
                del questions[key]
                mine.is_answered.set()
            return mine.found
        if not asked.is_answered.wait(WAIT_SECONDS):
            raise AccountsUnavailable.of_hanging(self._name, key) from TimeoutError()
        if asked.found is None:
            raise AccountsUnavailable.of(self._name, key, asked.error) from asked.error
        return asked.found

    def keys(self, ledger: Ledger) -> list[str]:
        """Return the keys of the mapping, or those whose requests the ledger has recorded.

        :raises LedgerUnavailable: if the ledger cannot be used.
        """
        if isinstance(self._accounts, Mapping):
            return sorted(self._accounts)
        prefix = f"{self._name}{ACCOUNT_SEPARATOR}"
        names = {use.receiver for use in ledger.token_uses.last()}
        return sorted(name.removeprefix(prefix) for name in names if name.startswith(prefix))

    def _look_up(self, key: str) -> _Found[R]:
        before = self._known.get(key) or self._unknown.get(key)
        account = self._ask(key)
        if before is not None and before.account == account:
            receiver = before.receiver  # it remembers which token uses it has recorded
        else:
            receiver = None if account is None else self._receiver_of(key, account)
        found = _Found(self._clock(), account, receiver)
        shelf, most, other = self._known, MOST_KNOWN, self._unknown
        if account is None:
            shelf, most, other = self._unknown, MOST_UNKNOWN, self._known
        with self._lock:
            other.pop(key, None)
            shelf[key] = found
            shelf.move_to_end(key)
            while len(shelf) > most:
                shelf.popitem(last=False)
        return found

    def _ask(self, key: str) -> Account | None:
        try:
            if isinstance(self._accounts, Mapping):
                account = self._accounts.get(key)
            else:
                with self._app.app_context():
                    account = self._accounts(key)
            if account is not None and not isinstance(account, Account):
                raise TypeError(f"accounts has to return an Account or None, not {type(account)}.")
        except Exception as error:
            if self._lines.admit(None) is not None:
                logger.exception(
                    "%s: accounts raised: requests are answered with 503, so that they are resent.",
                    self._name,
                    extra=log_fields(receiver=self._name),
                )
            raise AccountsUnavailable.of(self._name, key, error) from error
        return account
