"""Self-contained HTML pages: a template with its style, its script and its data in one file."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources

from snowpipe_ml.text.redaction import redact

Numbers = Sequence[float | None]


def render_page(
    template: str, data: Mapping[str, object], scripts: Sequence[str] = ("charts.js",), **values: object
) -> str:
    """Render a page.

    The page loads nothing and runs only its own scripts: its Content-Security-Policy names them by their hashes.

    Args:
        template: the file in ``snowpipe_ml/ui/web``.
        data: values of JSON for the script; ``charts`` has a chart (see ``charts.js``) by name.
        scripts: the files of its scripts, in order.
        **values: the variables of the template.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("snowpipe_ml.ui", "web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    texts = [_file(name) for name in scripts]
    return environment.get_template(template).render(
        style=_file("page.css"),
        scripts=texts,
        policy=" ".join(f"'sha256-{_hash(text)}'" for text in texts),
        data=embedded(data),
        **values,
    )


def embedded(data: Mapping[str, object]) -> str:
    """Return values as JSON that can be put between the tags of a script, with secrets redacted."""
    text = json.dumps(_redacted(data), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _redacted(value: object) -> object:
    """Redact the texts in a value. Numbers stay, since the charts are drawn from them."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact(str(key)): _redacted(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(item) for item in value]
    return value


def line_chart(
    title: str,
    x: Sequence[str],
    x_title: str,
    y_title: str,
    lines: Mapping[str, Numbers],
    kind: str = "line",
    **more: object,
) -> dict[str, object]:
    """Return a chart as ``charts.js`` draws it.

    Args:
        title: the title, for screen readers.
        x: the labels of the points.
        x_title: the title of the x axis.
        y_title: the title of the y axis, with its unit.
        lines: the values by name.
        kind: ``line``, ``bar`` or ``dot``.
        **more: ``band``, ``split``, ``bounds`` and ``height``.
    """
    series = [{"name": name, "kind": kind, "values": list(values)} for name, values in lines.items()]
    if len(series) == 1:
        series[0]["color"] = "c1"
    return {
        "title": title,
        "x": {"values": list(x), "title": x_title},
        "y": {"title": y_title},
        "series": series,
        **more,
    }


@cache
def _file(name: str) -> str:
    return (resources.files("snowpipe_ml.ui") / "web" / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
