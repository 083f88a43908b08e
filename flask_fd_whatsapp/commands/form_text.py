"""Reports what Freshdesk's form refuses, by the option or setting that the value came from."""

from __future__ import annotations

from collections.abc import Mapping

from marshmallow import ValidationError

from ..schemas import field_errors


def form_refusal(error: ValidationError, entered_as: Mapping[str, str]) -> str:
    """Return why the form refuses the values.

    :param entered_as: the option or setting of each of the form's fields.
    """
    return "Freshdesk's form would refuse this. " + " ".join(
        f"{entered_as[path.partition('.')[0]]}: {' '.join(texts)}"
        for path, texts in field_errors(error.messages).items()
    )
