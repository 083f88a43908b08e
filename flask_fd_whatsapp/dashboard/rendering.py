"""Renders the pages: always escaped, however the host has set up its Jinja."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any, Final

from flask import current_app, render_template, url_for
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ..engagement.groups import local_time
from . import wordings
from .charts.axes import across
from .visible_text import exact, harmless, seen, visible

_STATE: Final = "fd_whatsapp_dashboard_jinja"

FOLDER: Final = "fd_whatsapp"


def render(template: str, context: Mapping[str, Any]) -> str:
    """Render the template of that name with *context* and the host's context."""
    known: Environment | None = current_app.extensions.get(_STATE)
    environment = known or current_app.extensions.setdefault(_STATE, _environment())
    return render_template(environment.get_template(f"{FOLDER}/{template}"), **context)


def _environment() -> Environment:
    """An environment with the application's templates, globals and filters.

    The rest is not used: the pages work even if the application escapes nothing, or writes ``[[``
    for ``{{``.
    """
    environment = current_app.jinja_env.overlay(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=harmless,
        trim_blocks=True,
        lstrip_blocks=True,
        block_start_string="{%",
        block_end_string="%}",
        variable_start_string="{{",
        variable_end_string="}}",
        comment_start_string="{#",
        comment_end_string="#}",
        line_statement_prefix=None,
        line_comment_prefix=None,
    )
    environment.filters = {**environment.filters, **FILTERS}
    environment.globals = {**environment.globals, "url_for": url_for}
    return environment


def time_tag(moment: datetime, zone: tzinfo, now: datetime, form: str | None = None) -> Markup:
    """A ``time`` element in *zone*; *form* as for ``strftime``, by default as short as possible."""
    local = local_time(moment, zone)
    shown = local.strftime(form) if form else wordings.clock(local, now.astimezone(zone))
    return Markup('<time datetime="{}">{}</time>').format(
        local.isoformat(timespec="milliseconds"),
        shown.removeprefix("0") if form and form.startswith("%d") else shown,
    )


def cut_id(text: object) -> Markup:
    """An id in a table, truncated if it is longer than any of the vendor's."""
    return visible(text, cut=44)


FILTERS: Final[Mapping[str, Any]] = {
    "n": wordings.number,
    "pct": wordings.rate,
    "share": wordings.percent,
    "ci": wordings.interval,
    "points": wordings.points,
    "took": wordings.length,
    "day": wordings.day,
    "visible": visible,
    "seen": seen,
    "exact": exact,
    "cut_id": cut_id,
    "counted": wordings.counted,
    "across": across,
}
