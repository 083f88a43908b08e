"""Watching it: health endpoints, how every receiver stands, and what needs attention."""

from .health import health_blueprint

__all__ = ["health_blueprint"]
