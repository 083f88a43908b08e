"""Detects what the schema does not know in payloads, counts it, and writes it in the background.

Only payloads of an uncommon shape are inspected; :mod:`flask_fd_whatsapp.fast_load` reports those.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Final

from marshmallow import Schema

from ..events import Status, StatusEvent
from ..failure_reasons import FailureClass, classify
from ..known_fields import KnownFields
from ..ledger import Ledger
from ..ledger.drift import MOST, Drift, DriftKind
from ..log_fields import get_logger, log_fields
from ..per_process import PerProcess
from ..settings import Settings
from ..throttle import Once
from .write_behind import WriteBehind

logger = get_logger(__name__)

INTERVAL_SECONDS: Final = 60.0
"""How often a process writes its findings; a killed process loses this much."""

FIRST_SECONDS: Final = 1.0
"""How soon it writes for the first time: once the event is recorded that it has for an example."""

UNKNOWN: Final = FailureClass.UNKNOWN

KNOWN_MAJOR_VERSION: Final = "1"

SAMPLE_CODE: Final = "INVALID"
"""Present in the vendor's own sample, and meaningless."""

OTHER: Final = "(other)"
"""Stands for a value that is not a word: it may be personal data."""

_WORD: Final = re.compile(r"(?!.*\d{7})\w[\w.:-]{0,63}", re.ASCII)

_JSON_TYPES: Final[Mapping[type, str]] = {
    dict: "object",
    list: "array",
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    type(None): "null",
}


class DriftDetection:
    """Detects what is unknown in one receiver's payloads.

    :param name: the receiver's name.
    :param schema: loads its events; its fields are the known ones.
    :param ledger: returns its ledger; may raise.
    """

    def __init__(
        self, name: str, schema: Schema, settings: Settings, ledger: Callable[[], Ledger]
    ) -> None:
        self._name = name
        self._known = KnownFields(schema)
        self._own_classes = settings.failure_classes
        self._ledger = ledger
        self._found = PerProcess(_Found)
        self._writes = WriteBehind(
            INTERVAL_SECONDS, receiver=name, what="unknown parts of payloads"
        )
        self._told = Once()

    def study(self, payload: Mapping[str, Any]) -> None:
        """Find unknown fields and types."""
        data = payload.get("data")
        message_id = data.get("message_id") if isinstance(data, dict) else None
        is_id = isinstance(message_id, str) and message_id.isprintable() and len(message_id) < 256
        example = message_id if is_id else None  # what no database accepts is dropped
        for one in self._known.unknown_in(payload):
            found = _JSON_TYPES.get(type(one.value), OTHER)
            if one.is_field:
                self._add(DriftKind.FIELD, one.path + _word(one.key), found, example)
            else:
                self._add(DriftKind.TYPE, one.path + one.key, found, example, told=one.is_told)

    def look(self, event: StatusEvent) -> None:
        """Find unknown values."""
        if not isinstance(event.status, Status):
            self._add(DriftKind.STATUS, "data.status", event.status, event.message_id, told=True)
        version = event.version
        if version is not None and version.partition(".")[0] != KNOWN_MAJOR_VERSION:
            self._add(DriftKind.VERSION, "version", version, event.message_id)
        code = event.error and event.error.code
        if code and code != SAMPLE_CODE and classify(code, self._own_classes) is UNKNOWN:
            self._add(DriftKind.ERROR_CODE, "data.error.code", code, event.message_id)

    def event_type(self, event_type: str) -> None:
        """Count an event of an unknown type."""
        self._add(DriftKind.EVENT_TYPE, "event_type", event_type, None, told=True)

    def _add(
        self, kind: DriftKind, place: str, value: str, example: str | None, *, told: bool = False
    ) -> None:
        """Count it, and log it once.

        :param told: whether it is logged elsewhere.
        """
        now = datetime.now(UTC)
        one = Drift(
            receiver=self._name,
            kind=kind,
            place=place[:128],
            found=_word(value),
            count=1,
            first_seen=now,
            last_seen=now,
            example=example,
        )
        self._found.get().add(one)
        self._writes.put(None, self._write, delay=FIRST_SECONDS)
        if not told and self._told.admit(one.key):
            logger.warning(
                "%s: a payload has a %s that the schema does not know: %s at %s. `flask "
                "fd-whatsapp drift` lists these; each is logged once.",
                self._name,
                kind.value,
                one.found,
                one.place,
                extra=log_fields(receiver=self._name),
            )

    def _write(self) -> None:
        found = self._found.get()
        drifts = found.take()
        try:
            self._ledger().drift.note(drifts)
        except BaseException:
            for one in drifts:
                found.add(one)  # for the next time
            raise


class _Found:
    """The findings that are not written yet; no more than a ledger keeps."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._found: dict[tuple[str, ...], Drift] = {}

    def add(self, one: Drift) -> None:
        with self._lock:
            before = self._found.get(one.key)
            if before is not None:
                one = replace(one, count=before.count + one.count, first_seen=before.first_seen)
            elif len(self._found) >= MOST:
                return
            self._found[one.key] = one

    def take(self) -> list[Drift]:
        with self._lock:
            taken, self._found = self._found, {}
        return list(taken.values())


def _word(text: str) -> str:
    """Return *text* if it is a word or a short number."""
    return text if _WORD.fullmatch(text) else OTHER
