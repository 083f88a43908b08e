"""Calls one connected function: in contexts of its own, awaiting its coroutine if it has one."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final

import flask.globals
from flask import Flask

from .handlers import is_coroutine_function

# Newer versions of Flask keep the request in the application context, and each handler has its
# own anyway.
_REQUEST: Final[ContextVar[Any]] = getattr(
    flask.globals, "_cv_request", ContextVar("fd_whatsapp_no_request")
)


def call(app: Flask, function: Callable[..., Any], **arguments: Any) -> None:
    """Call one handler in its own application context, outside the request.

    It sees the context variables that are set here, except Flask's request, so that ``url_for``,
    ``has_request_context()`` and the like behave as they will in a retry. Variables that it sets
    are not visible to others.

    :raises TypeError: if it returns an awaitable that is never awaited.
    """
    here = copy_context()
    if _REQUEST in here:
        Context().run(_call_outside_request, here, app, function, arguments)
    else:
        here.run(_call, app, function, arguments)


def _call_outside_request(
    here: Context, app: Flask, function: Callable[..., Any], arguments: Mapping[str, Any]
) -> None:
    # In an empty context, since a context variable cannot be removed from a copy.
    for variable, value in here.items():
        if variable is not _REQUEST:
            variable.set(value)
    _call(app, function, arguments)


def _call(app: Flask, function: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    with app.app_context():
        result = function(app, **arguments)
        if result is None:
            return
        if inspect.iscoroutine(result) and is_coroutine_function(function):
            result = _await(app, result)
        if inspect.isawaitable(result):
            if inspect.iscoroutine(result):
                result.close()
            raise TypeError(
                "The handler returned an awaitable that is never awaited: make it a coroutine "
                "function (async def), or wait for it in the handler."
            )
        if inspect.isgenerator(result) or inspect.isasyncgen(result):
            raise TypeError("The handler is a generator, so its code is never run: remove yield.")


def _await(app: Flask, coroutine: Coroutine[Any, Any, Any]) -> Any:
    async def wait() -> Any:
        return await coroutine

    try:
        return app.async_to_sync(wait)()
    finally:
        coroutine.close()


def failures() -> tuple[type[BaseException], ...]:
    """Return what counts as a handler's failure when raised: all but exiting the process.

    Evaluated by ``except`` only after something is raised: unless asyncio has been imported, which
    is slow, nothing can have been cancelled by it.
    """
    module = sys.modules.get("asyncio.exceptions")
    return Exception, getattr(module, "CancelledError", Exception)
