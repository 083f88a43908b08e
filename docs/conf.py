"""The documentation site: `make docs`."""

import re
from importlib.metadata import metadata

from sphinx.application import Sphinx

package = metadata("flask_fd_whatsapp")
project = package["Name"]
author = project_copyright = package["Author"]
version = release = package["Version"]

extensions = ["myst_parser", "sphinx.ext.autodoc"]
html_theme = "furo"
html_title = f"{project} {version}"
highlight_language = "text"
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "imported-members": True}
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!flask_fd_whatsapp\b).*"),  # other projects; neighbours by their short names
    ("py:class", r"flask_fd_whatsapp\..*"),  # types in signatures that are not exported
    ("py:mod", r"flask_fd_whatsapp\.signals"),
]


def link_to_repository(app: Sphinx, docname: str, source: list[str]) -> None:
    """Lead links to files outside this folder to the repository, where they are."""
    home = dict(url.split(", ") for url in package.get_all("Project-URL"))["Source"]
    source[0] = re.sub(r"\]\(\.\./", f"]({home}/", source[0])


def setup(app: Sphinx) -> None:
    app.connect("source-read", link_to_repository)
