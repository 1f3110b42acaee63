"""Figures as parts of the page: SVG in the page's colours, with points that link to their policies' rows."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sweep.figures.theme import TITLE_ID

# The elements that Matplotlib draws with. Metadata, comments and its style sheet, which would affect the whole page,
# are left out.
_ELEMENTS = {"svg", "g", "a", "defs", "use", "path", "rect", "clipPath", "pattern", "image"}
_COLOR = re.compile(r"#([0-9a-f]{6})\b")
_REFERENCE = re.compile(r"url\(#(.+?)\)")
_LINE = re.compile(r"translate\(\S+ (\S+)\)")  # start of a line of text
_FURTHER_DIGITS = re.compile(r"(\.\d\d)\d+")
_BELOW_LINE = 2.5  # points that letters of the title extend below the baseline


@dataclass(frozen=True)
class Chart:
    """A figure of the page.

    Attributes:
        svg: the SVG element.
        width: its width in points.
        height: its height in points, without the title.
        has_points: whether any of its points links to a policy.
    """

    svg: str
    width: float
    height: float
    has_points: bool


class Charts:
    """The figures of one page, which share glyphs and markers.

    Attributes:
        policies: name of each policy, by the anchor of its row; points of other policies are not linked.
        colors: all colours in use, in hexadecimal digits; charts refer to them as ``--{color}``.
    """

    def __init__(self, policies: Mapping[str, str]) -> None:
        self.policies = policies
        self.colors: set[str] = set()
        self._shared: dict[str, str] = {}

    @property
    def shared(self) -> str:
        """The definitions that the charts refer to, to put on the page once."""
        return "".join(self._shared.values())

    def chart(self, path: Path, label: str) -> Chart:
        """Convert a figure to a chart without its title, which the page shows as text.

        Args:
            path: an SVG that `theme.save` wrote.
            label: alternative text.
        """
        root = _plain(ET.parse(path).getroot())
        left, top, width, height = map(float, root.get("viewBox").split())
        names = self._share_definitions(root)  # before removing the title, which may define glyphs of other texts
        end_of_title = _without_title(root)
        points = [self._lead_to_row(link) for link in root.iter("a")]
        for element in root.iter():
            _refer_to(names, element)
            self._follow_colors(element)
            _shorten(element)
        root.attrib = {
            "class": "chart",
            "viewBox": f"{left:g} {end_of_title:g} {width:g} {height - end_of_title + top:g}",
            # Screen readers do not announce what is inside an image.
            "role": "group" if any(points) else "img",
            "aria-label": label,
        }
        svg = ET.tostring(root, encoding="unicode")
        return Chart(svg, width, height=height - end_of_title + top, has_points=any(points))

    def _lead_to_row(self, link: ET.Element) -> bool:
        """Link a point to its row on this page; return whether there is such a row."""
        anchor = link.get("href", "").removeprefix("#")
        found = anchor in self.policies
        link.attrib = {"href": f"#{anchor}", "aria-label": self.policies[anchor]} if found else {}
        link.tag = "a" if found else "g"
        return found

    def _share_definitions(self, root: ET.Element) -> dict[str, str]:
        """Move glyphs, markers and clip paths out of a chart; return the name of each on the page."""
        names = {}
        for parent in list(root.iter()):
            for definitions in parent.findall("defs"):
                parent.remove(definitions)
                names |= {element.get("id"): self._share(element) for element in definitions}
        return names

    def _share(self, element: ET.Element) -> str:
        """Define an element once for all charts of the page; return its name there."""
        name = element.get("id")
        for part in element.iter():
            self._follow_colors(part)
        while True:
            element.set("id", name)
            text = ET.tostring(element, encoding="unicode")
            # Matplotlib derives names from contents, except for glyphs, which may come from another version's font.
            if self._shared.setdefault(name, text) == text:
                return name
            name += "_"

    def _follow_colors(self, element: ET.Element) -> None:
        """Replace colours by properties that the page defines; black is the one that Matplotlib omits."""
        style = element.get("style", "")
        self.colors.update(_COLOR.findall(style), ["000000"])
        if style:
            element.set("style", _COLOR.sub(r"var(--\1)", style))


def _plain(element: ET.Element) -> ET.Element:
    """Copy an element without namespaces, whitespace, scripts and links to other files."""
    attributes = {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
    if not attributes.get("href", "#").startswith(("#", "data:image/")):
        del attributes["href"]
    copy = ET.Element(
        element.tag.rpartition("}")[2], {name: value for name, value in attributes.items() if name[:2] != "on"}
    )
    # ElementTree has dropped the comments.
    copy.extend(_plain(child) for child in element if child.tag.rpartition("}")[2] in _ELEMENTS)
    return copy


def _refer_to(names: Mapping[str, str], element: ET.Element) -> None:
    """Rename the references of an element and drop its own name, which may occur in other figures."""
    element.attrib.pop("id", None)
    if element.tag == "use":
        element.set("href", f"#{names[element.get('href').removeprefix('#')]}")
    for attribute in element.attrib.keys() & {"clip-path", "style"}:
        element.set(attribute, _REFERENCE.sub(lambda found: f"url(#{names[found[1]]})", element.get(attribute)))


def _without_title(root: ET.Element) -> float:
    """Remove a figure's title; return how far down it extended."""
    for parent in root.iter():
        for group in parent.findall(f"g[@id='{TITLE_ID}']"):
            parent.remove(group)
            lines = [float(y) for line in group.iter("g") for y in _LINE.findall(line.get("transform", ""))]
            return max(lines, default=-_BELOW_LINE) + _BELOW_LINE
    return 0.0


def _shorten(element: ET.Element) -> None:
    """Truncate numbers to hundredths of a point, since half of Matplotlib's output is further digits."""
    for name in ("d", "x", "y"):
        if name in element.attrib:
            element.set(name, _FURTHER_DIGITS.sub(r"\1", element.get(name)))
