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
"""What every answer of the pages carries, errors included."""

STATIC_HEADERS: Final = {**HEADERS, "Cache-Control": "private, max-age=86400"}
"""What static files carry: a browser keeps them, under a URL with the package's version."""


def with_headers(response: Response) -> Response:
    """The same answer, which is sent with these headers whatever is set on it after this.

    The application's ``after_request`` functions are called after a blueprint's: Flask-Talisman,
    for one, sets a policy there that may allow more.
    """
    own = type(response)
    kind = _KINDS.get(own) or _KINDS.setdefault(own, type(own.__name__, (_Last, own), {}))
    kind.force_type(response)  # which makes this very answer one of that kind
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
"""For each of the applications' classes of responses the one with the last word on the headers."""
