"""The headers of the pages, which the application's own functions cannot replace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flask import Response, request
from werkzeug.datastructures import Headers

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}
"""The headers of every answer of the pages, including errors."""

STATIC_HEADERS: Final = {**HEADERS, "Cache-Control": "private, max-age=86400"}
"""The headers of static files: browsers cache them, by a URL with the package's version."""


def with_headers(response: Response) -> Response:
    """Return the same answer, to be sent with these headers whatever is set on it later.

    The application's ``after_request`` functions are called after a blueprint's: Flask-Talisman,
    for example, sets a policy there that may allow more.
    """
    own = type(response)
    kind = _KINDS.get(own) or _KINDS.setdefault(own, type(own.__name__, (_Last, own), {}))
    kind.force_type(response)  # changes the class of this very answer
    is_file = str(request.endpoint).endswith(".static") and response.status_code in (200, 304)
    response.fd_whatsapp_headers = STATIC_HEADERS if is_file else HEADERS  # type: ignore[attr-defined]
    return response


class _Last(Response):
    fd_whatsapp_headers: Mapping[str, str]

    def get_wsgi_headers(self, environ: Any) -> Headers:
        headers = super().get_wsgi_headers(environ)
        headers.update(self.fd_whatsapp_headers)
        return headers


_KINDS: Final[dict[type[Response], type[Response]]] = {}
"""For each response class of an application, the one with the last word on the headers."""
