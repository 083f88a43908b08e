"""``flask fd-whatsapp openapi``: prints a receiver's API for programs."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from .options import chosen_receiver, receiver_option
from .output import print_json


@click.command(
    epilog="\b\nExamples:\n  flask fd-whatsapp openapi > openapi.json\n"
    "  flask fd-whatsapp openapi --yaml"
)
@click.option("--yaml", "as_yaml", is_flag=True, help="Print YAML instead of JSON.")
@receiver_option
@with_appcontext
def openapi(as_yaml: bool, name: str | None) -> None:
    """Print the receiver's API as OpenAPI 3.1: its path, and the vendor's webhook.

    Both share one schema, generated from the marshmallow schema that loads events, including your
    own fields. It names the required headers, but no values. Needs the extra `openapi`.
    """
    receiver = chosen_receiver(name)
    try:
        from ..monitoring.openapi import openapi_document, to_yaml
    except ModuleNotFoundError as error:
        raise click.ClickException(str(error)) from None
    document = openapi_document(receiver)
    if as_yaml:
        click.echo(to_yaml(document), nl=False)
    else:
        print_json(document)
