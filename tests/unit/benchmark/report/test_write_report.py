"""All formats say the same, say what is missing, and are not broken by any name."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from plane_anomalib.benchmark.report.latex import escape as latex_escape
from plane_anomalib.benchmark.report.markdown import escape as markdown_escape
from plane_anomalib.benchmark.report.page import write_report
from plane_anomalib.benchmark.schema import ONE_FOR_ALL, TIMEOUT, JobResult
from plane_anomalib.core.results import METRIC_NAMES
from tests.support.sweep_results import failed, make_result, make_sweep
from tests.unit.benchmark.test_published import OFFICIAL

NASTY = 'A&B_1 <b>50%</b> {x} $y$ #1 ~^\\ | "q"'


class Tables(HTMLParser):
    """Rows of every table of a page by its caption, each with the class of its group."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, list[tuple[str, list[str]]]] = {}
        self.tags: list[str] = []
        self._rows: list[tuple[str, list[str]]] = []
        self._group, self._inside, self._text = "", "", ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "table":
            self._rows = []
        elif tag in ("thead", "tbody", "tfoot"):
            self._group = dict(attrs).get("class") or tag
        elif tag == "tr":
            self._rows.append((self._group, []))
        elif tag in ("td", "th", "caption"):
            self._inside, self._text = tag, ""

    def handle_data(self, data: str) -> None:
        self._text += data if self._inside else ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "caption":
            self.found[self._text] = self._rows
        elif tag in ("td", "th"):
            self._rows[-1][1].append(self._text.strip())
        if tag == self._inside:
            self._inside = ""


def report(tmp_path: Path, results: Sequence[JobResult], title: str = "A sweep") -> dict[str, str]:
    files = write_report(results, tmp_path / "out", title=title)
    assert [file.name for file in files] == ["report.html", "report.md", "report.tex", "report.csv"]
    return {file.suffix: file.read_text(encoding="utf-8") for file in files}


def test_means_deviations_and_chance_are_in_every_format(tmp_path: Path) -> None:
    values = {0: 0.5, 1: 0.6, 2: 0.7}
    results = [make_result(seed=seed, values={"bowl": value}) for seed, value in values.items()]
    results.append(make_result("Other", values={"bowl": 0.4}))
    texts = report(tmp_path, results)
    assert "**0.600 ± 0.100**" in texts[".md"]
    assert r"\textbf{0.600 $\pm$ 0.100}" in texts[".tex"]
    assert r"\underline{0.400}" in texts[".tex"]
    head, *rows = Tables(texts[".html"]).found["Results on objects"]
    place = head[1].index("object AP")
    assert [(group, cells[0], cells[place]) for group, cells in rows] == [
        ("rows ours", "BTF FPFH", "0.600 ± 0.100"),
        ("rows ours", "Other", "0.400"),
        ("tfoot", "Chance", "0.600"),
    ]


def test_a_row_with_missing_categories_says_so_and_is_not_marked(tmp_path: Path) -> None:
    results = make_sweep({"A": 0.9, "B": 0.6, "C": 0.5}, ["bowl", "cup", "tap"])
    lost = [("A", ["cup"]), ("A", ["tap"])]
    results = [failed(r, TIMEOUT) if (r.job.row, r.job.categories) in lost else r for r in results]
    texts = report(tmp_path, results)
    rows = Tables(texts[".html"]).found["Results on objects"]
    groups = {cells[0]: group for group, cells in rows}
    assert (groups["A"], groups["B"]) == ("rows incomplete", "rows ours")
    row = next(cells for _, cells in rows if cells[0] == "A")
    assert "1 of 3" in row
    assert sum("†" in cell for cell in row) == len(METRIC_NAMES)
    for text in (texts[".html"], texts[".md"], texts[".tex"]):
        assert "A: 1 of 3 categories." in text
    assert not re.search(r"\| A \|[^\n]*\*\*", texts[".md"])
    assert "Left out, since incomplete: A." in texts[".md"]
    assert texts[".html"].count("timeout") >= 2
    assert "Traceback (most recent call last)" in texts[".html"]


def test_csv_has_a_line_for_each_number_and_each_missing_one(tmp_path: Path) -> None:
    results = [
        make_result("A", categories=["bowl", "cup"], values={"cup": {"point_AP": None}}),
        failed(make_result("B", seed=3)),
    ]
    lines = list(csv.DictReader(report(tmp_path, results)[".csv"].splitlines()))
    assert len(lines) == 3 * len(METRIC_NAMES)
    found = {(x["row"], x["category"], x["metric"]): x for x in lines}
    assert found["A", "bowl", "point_AP"]["value"] == "0.7"
    assert found["A", "bowl", "point_AP"]["chance"] == "0.03"
    assert found["A", "cup", "point_AP"]["value"] == ""
    assert [found["B", "bowl", "point_AP"][k] for k in ("seed", "value", "status")] == [
        *("3", "", "failed")
    ]


@pytest.mark.parametrize(
    "results",
    [
        [],
        [failed(make_result())],
        [make_result()],
        [make_result(values={"bowl": dict.fromkeys(METRIC_NAMES)})],
        [make_result(cost=None), make_result("B", scope=ONE_FOR_ALL, seconds=0.0)],
        make_sweep({"A": 0.9, "B": 0.9}, ["one"], seeds=[0, 1, 2], spread=0.0),
        [make_result("A", column="x"), make_result("A", column="y"), make_result("B", column="y")],
    ],
    ids=["none", "failed", "one", "no metric", "no cost", "alike", "two sets"],
)
def test_any_set_of_results_gives_a_report(tmp_path: Path, results: list[JobResult]) -> None:
    texts = report(tmp_path, results)
    for text in (texts[".html"], texts[".md"], texts[".tex"]):
        assert not re.search(r"\bnan\b", text.partition('"data">')[0], re.IGNORECASE)
    assert texts[".tex"].count(r"\begin{table}") == texts[".tex"].count(r"\end{table}")


def test_names_are_text_in_every_format(tmp_path: Path) -> None:
    category = "гайка_猫 <i>"
    results = make_sweep({NASTY: 0.8, "plain": 0.7}, [category, "b"], column="set_1 & <u>")
    results[0] = failed(results[0])
    results[1] = replace(results[1], failure=None)
    texts = report(tmp_path, results, title="<script>alert(1)</script> & _title_")
    tables = Tables(texts[".html"])
    assert not {"b", "i", "u"} & set(tables.tags) - {"b"}
    assert tables.tags.count("script") == 2
    assert any(cells[0] == NASTY for _, cells in tables.found["Results on set_1 & <u>"])
    assert category in tables.found["point AP by category on set_1 & <u>"][0][1]
    assert "<i>" not in texts[".md"]
    assert r"A\&B\_1" in texts[".tex"]
    body = [x for x in texts[".tex"].splitlines() if not x.startswith("%")]
    assert not [line for line in body if re.search(r"(?<!\\)[#$]", re.sub(r"\$[^$]*\$", "", line))]
    rows = csv.DictReader(texts[".csv"].splitlines())
    assert {row["row"] for row in rows} == {NASTY, "plain"}


def test_latex_escapes_every_special_character_once() -> None:
    assert latex_escape("a_b & 5% {x} #1 $2") == r"a\_b \& 5\% \{x\} \#1 \$2"
    assert latex_escape("\\~^") == r"\textbackslash{}\textasciitilde{}\textasciicircum{}"
    assert latex_escape("a < b\n> c") == r"a \textless{} b \textgreater{} c"


def test_a_latex_row_that_begins_with_a_bracket_is_no_option(tmp_path: Path) -> None:
    text = report(tmp_path, [make_result("[x]")])[".tex"]
    assert "\n{}[x] &" in text


def test_markdown_escapes_marks_and_keeps_tables_whole() -> None:
    assert markdown_escape("a|b *c* _d_ <e>\n`f`") == r"a\|b \*c\* \_d\_ &lt;e&gt; \`f\`"


def test_wide_tables_by_category_are_cut_in_parts_with_the_mean_last(tmp_path: Path) -> None:
    names = [f"c{i:02}" for i in range(19)]
    text = report(tmp_path, make_sweep({"A": 0.7, "B": 0.6}, names))[".tex"]
    parts = re.findall(r"point AP by category on objects, part (\d) of 3", text)
    assert parts == ["1", "2", "3"]
    heads = [line for line in text.splitlines() if line.startswith("Method & c")]
    assert ["Mean" in head for head in heads] == [False, False, True] * 2
    assert all(name in "".join(heads) for name in names)


def test_reported_rows_stand_apart_and_are_never_marked(tmp_path: Path) -> None:
    names = list(OFFICIAL)
    results = [
        make_result(row, categories=[name], files=OFFICIAL, values={name: value})
        for row, value in (("A", 0.2), ("B", 0.1))
        for name in names
    ]
    texts = report(tmp_path, results)
    for caption in ("Results on objects", "object AUROC by category on objects"):
        rows = Tables(texts[".html"]).found[caption]
        kinds = {cells[0].partition(" (")[0]: group for group, cells in rows}
        assert (kinds["A"], kinds["PLANE"]) == ("rows ours", "rows reported")
    reported = re.findall(r'<tbody class="rows reported">.*?</tbody>', texts[".html"], re.DOTALL)
    assert reported
    assert not re.search(r'class="[^"]*(best|second)', "".join(reported))
    # Ours are far worse than any reported one, and marked all the same.
    assert "**0.200**" in texts[".md"]
    lines = list(csv.DictReader(texts[".csv"].splitlines()))
    others = [line for line in lines if line["origin"] == "reported"]
    assert {line["category"] for line in others} == {*names, "mean"}
    assert all(line["source"] for line in others)
    statistics = texts[".md"].partition("## Statistics")[2]
    assert "IMRNet" not in statistics.partition("## Failures")[0]


def test_the_page_asks_for_nothing_and_keeps_private_paths_out(tmp_path: Path) -> None:
    page = report(tmp_path, make_sweep({"A": 0.7, "B": 0.6}, ["bowl", "cup"]))[".html"]
    assert not re.search(r'(src|href)="(?!#|data:)', page)
    assert "url(" not in page
    assert "default-src 'none'" in page
    assert "/somewhere/private" not in page


def test_the_same_results_in_another_order_give_the_same_report(tmp_path: Path) -> None:
    results = make_sweep({"A": 0.7, "B": 0.6}, ["bowl", "cup"], seeds=[0, 1])
    first = report(tmp_path / "1", results)
    assert report(tmp_path / "2", results[::-1]) == first


def test_statistics_say_what_too_few_categories_cannot_show(tmp_path: Path) -> None:
    few = report(tmp_path / "few", make_sweep({"A": 0.9, "B": 0.5, "C": 0.3}, ["x", "y", "z"]))
    assert "3 categories are too few for a critical difference" in few[".html"]
    assert "can reach p (Holm) of 0.05" in few[".md"]
    names = [f"c{i}" for i in range(12)]
    many = report(tmp_path / "many", make_sweep({"A": 0.9, "B": 0.5, "C": 0.3}, names))
    assert "too few" not in many[".html"]
    assert "critical difference 0.96" in many[".html"]


def test_several_sets_have_an_overview_and_statistics_together(tmp_path: Path) -> None:
    results = [
        result
        for column in ("one", "two")
        for result in make_sweep({"A": 0.8, "B": 0.6}, ["bowl", "cup"], column=column)
    ]
    texts = report(tmp_path, results)
    head, *_ = Tables(texts[".html"]).found["All sets of data"]
    assert head[1][2:] == [
        *("one: object AUROC", "one: point AP", "two: object AUROC", "two: point AP")
    ]
    assert "over 4 categories" in texts[".md"]
    assert "as if independent" in texts[".md"]
