"""How Sphinx makes a site of the pages in docs/ and of the library's docstrings; `make docs` runs it."""

import re
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow_scripts"))

project = "splithistory"
extensions = ["sphinx.ext.autodoc", "sphinx.ext.apidoc", "sphinx.ext.napoleon", "myst_parser"]
default_role = "py:obj"
smartquotes_action = "D"  # dashes; the primes of F'|x'' are no quotes
myst_heading_anchors = 4
html_theme = "furo"
html_title = "splithistory"
html_show_copyright = False
html_copy_source = False
# A page per module, whatever modules there are, in a folder that git ignores.
apidoc_modules = [
    {
        "path": "../workflow_scripts/splithistory",
        "destination": "api",
        "separate_modules": True,
        "module_first": True,
        "automodule_options": {"members"},
    }
]
exclude_patterns = ["api/modules.rst", "api/splithistory.rst"]  # library.md instead
autodoc_member_order = "bysource"
# Docstrings give shapes, units and ranges; the hints of arrays are a line each.
autodoc_typehints = "none"
napoleon_attr_annotations = False
napoleon_use_ivar = True
python_maximum_signature_line_length = 100


def edit_page(app: Sphinx, page: str, source: list[str]) -> None:
    """Make the contents of the site of the lists of links in index.md; title the pages of modules by their names."""
    if page.startswith("api/"):
        source[0] = re.sub(r"^(.+) (?:module|package)\n=+", lambda match: f"{match[1]}\n{'=' * 80}", source[0])
    elif page == "index":
        for heading, links in re.findall(r"^## (.+)\n((?:(?!^#).*\n)+)", source[0], re.MULTILINE):
            pages = re.findall(r"^- \[.+?\]\((.+)\.md\)", links, re.MULTILINE)
            source[0] += "\n".join(["", "```{toctree}", ":hidden:", f":caption: {heading}", *pages, "```", ""])


def escape_markup(*event: Any) -> None:
    """Take the bars of F'|x'' and trailing underscores of a docstring for what they are, but in literal text."""
    lines: list[str] = event[-1]
    literal_indent: int | None = None  # of the line that ended in ::, while below it
    for i, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if literal_indent is not None and line and indent <= literal_indent:
            literal_indent = None
        if literal_indent is None:
            lines[i] = re.sub(r"(`.*?`+)|(\||_(?!\w))", lambda match: match[1] or rf"\{match[2]}", line)
            if line.endswith("::"):
                literal_indent = indent


def setup(app: Sphinx) -> None:
    """Connect what is above to Sphinx."""
    app.connect("source-read", edit_page)
    app.connect("autodoc-process-docstring", escape_markup, priority=900)  # after napoleon
