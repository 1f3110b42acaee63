"""Reading the title and caption that every figure carries back from its SVG."""

import xml.etree.ElementTree as ET
from pathlib import Path

from sweep.errors import REMEDY, UserError

DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"


def title_and_caption(svg_path: Path | str) -> tuple[str, str]:
    """Read the title and the caption of a figure.

    Args:
        svg_path: a file that `theme.save` wrote.

    Raises:
        UserError: if the file is missing, is no SVG, or carries no title or caption.
    """
    try:
        root = ET.parse(svg_path).getroot()
    except FileNotFoundError:
        raise UserError(f"{svg_path}: no such file; expected a figure. Rerun snakemake to make it") from None
    except (ET.ParseError, UnicodeDecodeError):
        root = ET.Element("none")
    title, caption = (root.findtext(f".//{DUBLIN_CORE}{name}") for name in ("title", "description"))
    if not (title and caption):
        raise UserError(f"{svg_path}: not a figure of this workflow: it carries no title and caption. {REMEDY}")
    return title, caption
