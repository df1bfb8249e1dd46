r"""A report as LaTeX tables, laid out as in papers; they need booktabs and graphicx."""

from __future__ import annotations

import re
from collections.abc import Sequence

from plane_anomalib.benchmark.report.content import main_metrics
from plane_anomalib.benchmark.report.report import Report
from plane_anomalib.benchmark.report.tables import ABSENT, BEST, SECOND, Cell, Group, Table

_CATEGORIES_PER_PART = 8
_FIT = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
"""Scales what is wider than the page."""
_ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    "†": r"$^\dagger$",
}
_PATTERN = re.compile("|".join(re.escape(letter) for letter in _ESCAPES))


def to_latex(report: Report) -> str:
    """The tables as text; best bold, second underlined."""
    comment = " ".join(f"{report.title}: {report.summary}".split())
    parts = [
        f"% {comment}\n% Needs \\usepackage[T1]{{fontenc}} and the packages booktabs and graphicx; "
        "names in other scripts need XeLaTeX or LuaLaTeX."
    ]
    if report.overview is not None:
        parts.append(_table(report.overview, "overview"))
    for number, section in enumerate(report.sections, start=1):
        parts.append(_table(section.quality, f"quality-{number}"))
        parts.append(_table(section.cost, f"cost-{number}"))
        for metric in main_metrics(section.metrics):
            label = f"{metric.replace('_', '-')}-{number}"
            parts += [
                _table(part, f"{label}-{index}")
                for index, part in enumerate(_parts(section.by_category[metric]), start=1)
            ]
    for number, comparison in enumerate(report.comparisons, start=1):
        parts.append(_table(comparison.intervals, f"intervals-{number}"))
        if comparison.pairs is not None:
            parts.append(_table(comparison.pairs, f"pairs-{number}"))
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Text that LaTeX prints as it is, on one line."""
    return _PATTERN.sub(lambda found: _ESCAPES[found.group()], " ".join(text.split()))


def _parts(table: Table) -> list[Table]:
    """A wide table by category in parts that fit a page, the mean in the last."""
    last = len(table.heads) - 1
    starts = range(1, last, _CATEGORIES_PER_PART) if last > 1 else [1]
    parts: list[Table] = []
    for start in starts:
        stop = min(start + _CATEGORIES_PER_PART, last)
        wanted = [0, *range(start, stop), *([last] if stop == last else [])]
        part = f", part {len(parts) + 1} of {len(starts)}" if len(starts) > 1 else ""
        parts.append(table.columns(wanted, table.caption + part))
    return parts


def _table(table: Table, label: str) -> str:
    width = len(table.heads)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(table.caption)}.}}",
        rf"\label{{tab:{label}}}",
        r"\small",
        _FIT,
        rf"\begin{{tabular}}{{@{{}}{'l' * table.words}{'r' * (width - table.words)}@{{}}}}",
        r"\toprule",
        _row([escape(head) for head in table.heads]),
    ]
    for group in table.groups:
        lines += [r"\midrule", *_group(group, width)]
    if table.foot:
        lines += [r"\midrule", *(_row([_cell(cell) for cell in row]) for row in table.foot)]
    lines += [r"\bottomrule", r"\end{tabular}}"]
    lines += [rf"\par\smallskip{{\footnotesize {escape(note)}\par}}" for note in table.notes]
    return "\n".join([*lines, r"\end{table}"])


def _group(group: Group, width: int) -> list[str]:
    title = []
    if group.title:
        title = [rf"\multicolumn{{{width}}}{{@{{}}l}}{{\emph{{{escape(group.title)}}}}} \\"]
    return [*title, *(_row([_cell(cell) for cell in row]) for row in group.rows)]


def _row(cells: Sequence[str]) -> str:
    # A row that begins with "[" would be read as the option of the row before it.
    first = "{}" + cells[0] if cells and cells[0].startswith("[") else cells[0] if cells else ""
    return " & ".join([first, *cells[1:]]) + r" \\"


def _cell(cell: Cell) -> str:
    text = "--" if cell.text == ABSENT else escape(cell.words)
    marks = {BEST: rf"\textbf{{{text}}}", SECOND: rf"\underline{{{text}}}"}
    return marks.get(cell.mark, text)
