"""The receiver behind the adapters that put a WSGI application into an ASGI server."""

from __future__ import annotations

from a2wsgi import WSGIMiddleware
from asgiref.wsgi import WsgiToAsgi

from .receiver import app

by_asgiref = WsgiToAsgi(app)
by_a2wsgi = WSGIMiddleware(app)
