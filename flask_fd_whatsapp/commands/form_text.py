"""What Freshdesk's form refuses, told by the option or setting that it was entered with."""

from __future__ import annotations

from collections.abc import Mapping

from marshmallow import ValidationError

from ..schemas import field_errors


def form_refusal(error: ValidationError, entered_as: Mapping[str, str]) -> str:
    """Why the form refuses what was entered.

    :param entered_as: the option or setting of each of the form's fields.
    """
    return "Freshdesk's form would refuse this. " + " ".join(
        f"{entered_as[path.partition('.')[0]]}: {' '.join(texts)}"
        for path, texts in field_errors(error.messages).items()
    )
