"""The differences of a pipeline between two commits, as the comment of a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from snowpipe_ml.comparison.forecasts import LEVEL, ForecastChange, SeriesChange
from snowpipe_ml.comparison.found import Comparison
from snowpipe_ml.comparison.steps import Kind, StepChange
from snowpipe_ml.comparison.tables import TableChange
from snowpipe_ml.data_diff.diff import Presence
from snowpipe_ml.text.printable import one_line
from snowpipe_ml.text.redaction import redact

# The lines of each part, so that a comment fits on one screen.
_STEPS, _SQL, _SQL_OF_STEP, _TABLES, _SERIES, _WARNINGS, _FAILURES = 6, 14, 6, 7, 3, 2, 3
_WIDTH = 100
"""Characters of a line of SQL."""
_LEAD = 40
"""Characters of a line of SQL before its first difference."""
_LONGEST = 160
"""Characters of a reason or an error."""


def markdown(found: Comparison) -> str:
    """Render a comparison as Markdown, in at most fifty lines."""
    lines = [
        f"### {_code(found.pipeline)}: {_code(found.base.ref)} {_at(found.base)} → {_code(found.head.ref)} {_at(found.head)}",
        "",
        f"**{headline(found)}**",
    ]
    parts = (
        _steps(found),
        _failures(found),
        _sql(found),
        _tables(found),
        _warnings(found),
        _forecasts(found),
    )
    for part in parts:
        if part:
            lines += ["", *part]
    cost = cost_line(found)
    if cost:
        lines += ["", cost]
    return redact("\n".join(lines)) + "\n"


def headline(found: Comparison) -> str:
    """Return the result in one sentence or a few."""
    steps = [step for step in found.steps if not step.declared]
    if not found.steps:
        return "No step changes."
    own = [step for step in found.steps if step.kind is not Kind.FOLLOWS]
    follow = len([step for step in steps if step.kind is Kind.FOLLOWS])
    objects = sum(step.declared for step in own)
    said = [
        " and ".join(
            text
            for count, text in (
                (len(own) - objects, _number(len(own) - objects, "step changes", "steps change")),
                (objects, _number(objects, "declared object changes", "declared objects change")),
                (follow, _number(follow, "step follows", "steps follow")),
            )
            if count
        )
        + "."
    ]
    if all(step.declared for step in found.steps):
        said.append("Nothing was run, as no step changes.")
    elif not found.ran:
        said.append("Nothing was run.")
    if found.failures:
        said.append(f"{', '.join(each.step for each in found.failures)} failed at head.")
    if found.fixed:
        said.append(f"{', '.join(found.fixed)} failed at base only.")
    if found.tables:
        differ = sum(table.diff.differs for table in found.tables)
        said.append(f"{differ} of {_number(len(found.tables), 'table', 'tables')} differ.")
    for each in found.forecasts:
        if each.series:
            said.append(f"Forecasts of {each.step}: {_verdict(each)}.")
    return one_line(" ".join(said))


def _verdict(each: ForecastChange) -> str:
    before, now = each.total or (0.0, 0.0)
    said = "equal" if before == now else f"{'worse' if now > before else 'better'}"
    change = f" by {abs(now / before - 1):.1%}" if before and before != now else ""
    tested = "" if each.p is None else f", p = {each.p:.2g}"
    return f"{said}{change}{tested}"


def _steps(found: Comparison) -> list[str]:
    own = [step for step in found.steps if step.kind is not Kind.FOLLOWS]
    lines = [f"- {_code(step.name)}: {_said(step)}" for step in own[:_STEPS]]
    if len(own) > _STEPS:
        lines.append(f"- and {len(own) - _STEPS} more: {_listed([step.name for step in own[_STEPS:]])}")
    follow = [
        step.name for step in found.steps if step.kind is Kind.FOLLOWS and step.name not in found.left_out
    ]
    if follow:
        lines.append(f"- follow: {_listed(follow)}")
    if found.left_out:
        lines.append(f"- not run, as their outputs cannot be compared: {_listed(found.left_out)}")
    return lines


def _said(step: StepChange) -> str:
    if step.kind is Kind.CHANGED:
        return _code(_short(step.reason))
    return "new" if step.kind is Kind.ADDED else "removed"


def _failures(found: Comparison) -> list[str]:
    lines = []
    for each in found.failures[:_FAILURES]:
        before = " (as at base)" if each.at_base else ""
        skipped = f"; not run because of it: {_listed(each.skipped)}" if each.skipped else ""
        lines.append(f"- ✗ {_code(each.step)} fails{before}: {_code(_short(each.error))}{skipped}")
    if len(found.failures) > _FAILURES:
        lines.append(f"- and {len(found.failures) - _FAILURES} more steps fail")
    return lines


def _sql(found: Comparison) -> list[str]:
    own = [step for step in found.steps if step.kind is not Kind.FOLLOWS and step.sql]
    body: list[str] = []
    for step in own:
        changed = windowed([line for line in step.sql if not line.startswith("@@")])
        if len(body) + 2 > _SQL:
            body.append(f"# and the SQL of {len(own) - own.index(step)} more steps")
            break
        room = min(_SQL_OF_STEP, _SQL - len(body) - 1)
        body.append(f"# {one_line(step.name)}")
        body += changed[:room]
        if len(changed) > room:
            body[-1] = f"# and {len(changed) - room + 1} more lines"
    if not body:
        return []
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", "\n".join(body))), 3)
    return [f"{fence}diff", *body, fence]


def windowed(lines: Sequence[str]) -> list[str]:
    """Return the lines of a diff, of which long ones are cut around what differs."""
    result: list[str] = []
    at = 0
    while at < len(lines):
        start = at
        while at < len(lines) and lines[at].startswith("-"):
            at += 1
        middle = at
        while at < len(lines) and lines[at].startswith("+"):
            at += 1
        if at == start:
            result.append(_cut(lines[at], 0))
            at += 1
            continue
        old, new = lines[start:middle], lines[middle:at]
        places = [_first_difference(a, b) for a, b in zip(old, new, strict=False)]
        for block in (old, new):
            result += [_cut(line, places[n] if n < len(places) else 0) for n, line in enumerate(block)]
    return result


def _first_difference(old: str, new: str) -> int:
    return next(
        (n for n, (a, b) in enumerate(zip(old[1:], new[1:], strict=False), 1) if a != b),
        min(len(old), len(new)),
    )


def _cut(line: str, place: int) -> str:
    line = line[:1] + one_line(line[1:])
    if len(line) <= _WIDTH:
        return line
    start = max(1, place - _LEAD)
    lead = "…" if start > 1 else ""
    rest = line[start : start + _WIDTH - 3]
    return f"{line[:1]}{lead}{rest}" + ("…" if start + len(rest) < len(line) else "")


def _tables(found: Comparison) -> list[str]:
    differ = [table for table in found.tables if table.diff.differs]
    if not differ:
        return []
    lines = [
        "| table | rows at base | at head | only base | only head | changed | columns |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    lines += [_row(table) for table in differ[:_TABLES]]
    if len(differ) > _TABLES:
        lines += ["", f"Also: {_listed([str(table.diff.name) for table in differ[_TABLES:]])}"]
    return lines


def _row(table: TableChange) -> str:
    diff, rows = table.diff, table.diff.found
    if diff.presence is not Presence.BOTH:
        said = "only at base" if diff.presence is Presence.HERE else "only at head"
        return f"| {_code(str(diff.name))} | | | | | | {said} |"
    counts = (
        ["", "", "", "", ""]
        if rows is None
        else [f"{n:,}" for n in (rows.here, rows.there, rows.only_here, rows.only_there, rows.changed)]
    )
    return f"| {_code(str(diff.name))} | {' | '.join(counts)} | {_cell('; '.join(columns_said(table)))} |"


def columns_said(table: TableChange, most: int = 3) -> Iterator[str]:
    """Yield what differs in the columns of a table, in words.

    Args:
        table: the table.
        most: the columns of each kind that are named.
    """
    diff = table.diff
    for name, here, there in diff.schema[:most]:
        yield f"{name} {'is new' if here is None else 'is gone' if there is None else f'{here} → {there}'}"
    if len(diff.schema) > most:
        yield f"{len(diff.schema) - most} more columns are new, gone or of another type"
    if diff.found is not None:
        for name, count in list(diff.found.columns.items())[:most]:
            yield f"{name} in {count:,}"
    for name, count in list(table.columns.items())[:most]:
        yield f"{name} in at least {count:,}"


def _warnings(found: Comparison) -> list[str]:
    lines = [
        f"- warning of {_code(name)}: {_code(_short(text))}" for name, text in found.warnings[:_WARNINGS]
    ]
    if len(found.warnings) > _WARNINGS:
        lines.append(f"- and {len(found.warnings) - _WARNINGS} more new warnings")
    return lines


def _forecasts(found: Comparison) -> list[str]:
    lines: list[str] = []
    for each in found.forecasts:
        lines += [forecast_line(each), *_series_table(each)]
    return lines


def forecast_line(each: ForecastChange) -> str:
    """Return the result of a step's forecasts as a sentence in Markdown."""
    models = [", ".join(names) or "none" for names in each.models]
    model = models[1] if models[0] == models[1] else f"{models[0]} → {models[1]}"
    said = f"{_code(each.step)} ({_cell(model)}): "
    if each.total is None:
        said += "no series has a backtest at both commits"
    else:
        sure = sum(series.significant for series in each.series)
        said += (
            f"mean absolute error in the backtest {each.total[0]:.4g} → {each.total[1]:.4g}; of "
            f"{_number(len(each.series), 'series', 'series')} {len(each.worse)} worse, {len(each.better)} better, "
            f"{sure} significantly (paired t-test over origins, false discovery rate {LEVEL:g})"
        )
        if each.p is not None:
            said += f"; all series: p = {each.p:.2g} (signed-rank test)"
    for keys, place in ((each.only_base, "base"), (each.only_head, "head")):
        if keys:
            said += f"; only at {place}: {_listed(keys)}"
    return said + (f"; {_cell(each.note)}" if each.note else "")


def _series_table(each: ForecastChange) -> list[str]:
    shown = [series for series in each.series if series.base != series.head][:_SERIES]
    if not shown:
        return []
    rows = [
        f"| {_code(series.key)} | {series.base:.4g} | {series.head:.4g} | {change_said(series)} | "
        f"{'' if series.p is None else f'{series.p:.2g}'} |"
        for series in shown
    ]
    return [
        "",
        "| series | error at base | at head | change | p |",
        "| --- | ---: | ---: | ---: | ---: |",
        *rows,
    ]


def change_said(series: SeriesChange) -> str:
    """Return the relative change of a series' error as a text."""
    return "" if series.change is None else f"{series.change:+.1%}"


def cost_line(found: Comparison) -> str:
    """Return the cost as a sentence; empty if it is not known."""
    if found.cost is None:
        return ""
    before, now = found.cost.seconds
    used = found.cost.credits
    said = f"The changed steps took {before:.3g} s at base and {now:.3g} s at head on this machine"
    if used is not None:
        said += f", for which their warehouses would use {used[0]:.2g} and {used[1]:.2g} credits"
    series = (
        "" if found.series is None or not found.forecasts else f"; at most {found.series} series were trained"
    )
    return f"{said}{series}."


def _at(commit: object) -> str:
    text = str(commit)
    return text[text.index("(") :] if "(" in text else ""


def _number(count: int, one: str, more: str) -> str:
    return f"{count:,} {one if count == 1 else more}"


def _listed(names: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(_code(name) for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def _short(text: str) -> str:
    line = one_line(" ".join(text.split()))
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _code(text: str) -> str:
    """Return a text as code: nothing in it is markup, and it mentions nobody."""
    line = one_line(text).replace("|", "\\|")
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    space = " " if len(ticks) > 1 else ""
    return f"{ticks}{space}{line}{space}{ticks}"


def _cell(text: str) -> str:
    """Return a text that cannot end the cell of a table or begin markup."""
    return re.sub(r"([\\|`*_<>\[\]@#])", r"\\\1", one_line(text))
