"""Health endpoints, for load balancers and orchestrators."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

from flask import Blueprint, Flask, current_app, jsonify
from flask.sansio.blueprints import BlueprintSetupState
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from ..exceptions import LedgerUnavailable
from ..ledger import Ledger
from ..ledger.context import EXTENSION
from ..log_fields import get_logger
from ..receiving.receiver import Receiver
from ..throttle import Throttle
from .single_flight import NO_ANSWER, Results, SingleFlight

logger = get_logger(__name__)

Guard = Callable[[], Any]

LOG_SECONDS: Final = 60

_STATE: Final = "fd_whatsapp_health"


def health_blueprint(
    *, url_prefix: str = "/freshdesk/whatsapp/health", guard: Guard | None = None
) -> Blueprint:
    """Create two endpoints that report a process's health: ``live`` and ``ready``.

    ``GET <url_prefix>/live`` returns 200 as long as the process answers. ``GET <url_prefix>/ready``
    returns 200 if the ledger of every receiver is up to date and can be written, else 503, within
    about three seconds; it checks at most once every five seconds. An unavailable broker does not
    cause a 503, since events are still recorded.

    Both are public and reveal nothing else, unless *guard* admits the request.

    :param guard: called before each request in its context; only if it returns ``True`` itself, the
        answer lists each receiver with its problem, and the broker.
    """
    blueprint = Blueprint("fd_whatsapp_health", __name__, url_prefix=url_prefix)
    lines = Throttle(LOG_SECONDS)

    @blueprint.record
    def set_up(state: BlueprintSetupState) -> None:
        state.app.extensions.setdefault(_STATE, _Health(state.app))

    @blueprint.get("/live")
    def live() -> Response:
        return _answer(200, {"status": "live"})

    @blueprint.get("/ready")
    def ready() -> Response:
        health: _Health = current_app.extensions[_STATE]
        is_ready, ledgers = health.ledgers()
        shown: dict[str, Any] = {"status": "ready" if is_ready else "not ready"}
        if guard is not None and _lets_in(guard, lines):
            shown["receivers"] = {
                name: {"ledger": problem or "ok"} for name, problem in ledgers.items()
            }
            shown["broker"] = health.broker()
        return _answer(200 if is_ready else 503, shown)

    return blueprint


class _Health:
    """The health of one application in this process."""

    def __init__(self, app: Any) -> None:
        self._app: Flask = app
        self._ledgers = SingleFlight(self._look_at_ledgers)
        self._broker = SingleFlight(self._look_at_broker)
        self._was_ready = True

    def ledgers(self) -> tuple[bool, Results]:
        """Whether every receiver can record, and what is wrong with each."""
        results, is_done = self._ledgers.results()
        if not is_done:
            results = {name: results.get(name, NO_ANSWER) for name in self._receivers()}
        is_ready = bool(results) and not any(results.values())
        if is_ready is not self._was_ready:
            self._was_ready = is_ready
            self._tell(results)
        return is_ready, results

    def broker(self) -> str | None:
        """Return what is wrong with the broker, ``"ok"``, or ``None`` if there is none."""
        if self._first_on_celery() is None:
            return None
        results, is_done = self._broker.results()
        return (results.get("broker") or "ok") if is_done else NO_ANSWER

    def _first_on_celery(self) -> Receiver | None:
        """One of the receivers that hand events to Celery, which all use the application's."""
        receivers = self._receivers().values()
        return next((one for one in receivers if one.settings.dispatch == "celery"), None)

    def _receivers(self) -> Mapping[str, Receiver]:
        receivers: Mapping[str, Receiver] = self._app.extensions.get(EXTENSION, {})
        return receivers

    def _look_at_ledgers(self, results: Results) -> None:
        seen: dict[int, str | None] = {}
        for name, receiver in self._receivers().items():
            try:
                ledger = receiver.ledger
                if id(ledger) not in seen:  # several receivers may share one
                    seen[id(ledger)] = _problem_of(ledger)
                results[name] = seen[id(ledger)]
            except Exception as error:
                results[name] = _in_words(error)

    def _look_at_broker(self, results: Results) -> None:
        receiver = self._first_on_celery()
        try:
            results["broker"] = receiver.queue_problem() if receiver else None
        except Exception as error:
            results["broker"] = _in_words(error)

    def _tell(self, results: Results) -> None:
        if self._was_ready:
            logger.warning("Ready again.")
        elif not results:
            logger.error("Not ready: no FreshdeskWhatsApp blueprint is registered.")
        else:
            told = "; ".join(f"{name}: {problem}" for name, problem in results.items() if problem)
            logger.error("Not ready: %s", told)


def _problem_of(ledger: Ledger) -> str | None:
    """Return why *ledger* cannot record, if so: its schema, or a row that it does not accept."""
    try:
        ledger.check()
    except Exception as error:
        return _in_words(error)
    return None


def _in_words(error: Exception) -> str:
    """Describe an error; the message of an unknown one may contain part of the ledger's URL."""
    return str(error) if isinstance(error, LedgerUnavailable) else f"{type(error).__name__}."


def _answer(status: int, shown: Mapping[str, Any]) -> Response:
    answer = jsonify(shown)
    answer.status_code = status
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _lets_in(guard: Guard, lines: Throttle) -> bool:
    """Whether *guard* returns ``True`` itself; anything else admits nobody."""
    try:
        given = guard()
    except HTTPException:
        return False
    except Exception:
        if lines.admit("raised") is not None:
            logger.exception("The guard of the health endpoints raised, and lets nobody in.")
        return False
    if given is True:
        return True
    if inspect.iscoroutine(given):
        given.close()
    if given is not False and not isinstance(given, Response) and lines.admit("gave") is not None:
        logger.error(
            "The guard of the health endpoints returned a %s, and lets nobody in: it has to "
            "return True or False.",
            type(given).__name__,
        )
    return False
