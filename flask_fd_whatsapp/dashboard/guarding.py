"""Access to the pages: the host's guard is called before every request."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final

from flask import abort
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from ..log_fields import get_logger
from ..throttle import Throttle

logger = get_logger(__name__)

Guard = Callable[[], Any]

LOG_SECONDS: Final = 60

REMEDY: Final = (
    "It has to give True to let somebody in, False for 403, or a response, such as a redirect to "
    "the login; bool(...) makes a True of what is merely true."
)


class Gatekeeper:
    """Calls *guard*, and admits a request only if it returns ``True`` itself.

    :param guard: the host's; called in the request's context.
    :param name: of the blueprint, for the log.
    """

    def __init__(self, guard: Guard, name: str) -> None:
        self._guard = guard
        self._name = name
        self._lines = Throttle(LOG_SECONDS)

    def admit(self) -> Response | None:
        """Return ``None`` if the request is admitted, else the response to it.

        :raises HTTPException: the guard's own; 403 if it returns ``False``; 500, logged at most
            once a minute, for anything else that it returns or raises.
        """
        try:
            given = self._guard()
        except HTTPException:
            raise
        except Exception:
            if self._lines.admit("raised") is not None:
                logger.exception(
                    "The guard of the pages %s raised, and lets nobody in.", self._name
                )
            abort(500)
        if given is True:
            return None
        if given is False:
            abort(403)
        if isinstance(given, Response):
            return given
        if inspect.iscoroutine(given):
            given.close()  # nobody will await it
        if self._lines.admit("gave") is not None:
            logger.error(
                "The guard of the pages %s gave a %s, and lets nobody in. %s",
                self._name,
                type(given).__name__,
                REMEDY,
            )
        abort(500)
        return None
