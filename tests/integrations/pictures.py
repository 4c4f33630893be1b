"""The pictures that a text in Markdown holds."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET

_PICTURE = re.compile(r"!\[([^]]*)\]\(data:image/svg\+xml;base64,([^)]*)\)")


def pictures_in(text: str) -> dict[str, list[str]]:
    """Return what is written in each SVG picture, by its title."""
    return {
        title: [
            element.text or ""
            for element in ET.fromstring(base64.b64decode(data)).iter()
            if element.tag.endswith("}text")
        ]
        for title, data in _PICTURE.findall(text)
    }
