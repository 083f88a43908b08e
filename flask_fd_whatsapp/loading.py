"""A payload as an event, whatever a schema of the host's does."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError

from .events import StatusEvent
from .fast_load import fast_load_of
from .log_fields import get_logger

logger = get_logger(__name__)

KNOWN_MAJOR_VERSION = "1"


class Loader:
    """Loads events with a schema, built once.

    :param schema: an instance whose ``load`` gives a :class:`StatusEvent`.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._load = fast_load_of(schema)
        self._has_warned_of_version = False

    def load(self, payload: dict[str, Any]) -> StatusEvent:
        """*payload* as an event.

        :raises marshmallow.ValidationError: if it does not meet the schema, or if the schema
            breaks on it: what came in is kept all the same.
        """
        try:
            event = self._load(payload)
        except ValidationError:
            raise
        except Exception as error:
            logger.exception("The schema %s broke on an event.", type(self.schema).__name__)
            raise ValidationError(f"The schema broke on it: {type(error).__name__}.") from error
        if not isinstance(event, StatusEvent):
            logger.error(
                "The schema %s has to load a StatusEvent, and gave %s.",
                type(self.schema).__name__,
                type(event).__name__,
            )
            raise ValidationError("The schema gave no StatusEvent.")
        self._warn_of_version(event)
        return event

    def _warn_of_version(self, event: StatusEvent) -> None:
        version = event.version
        if version is None or version.partition(".")[0] == KNOWN_MAJOR_VERSION:
            return
        if not self._has_warned_of_version:
            self._has_warned_of_version = True
            logger.warning(
                "An event has version %r; version %s is what is known here. It is taken, and "
                "this is said once.",
                version[:20],
                KNOWN_MAJOR_VERSION,
            )
