"""Reports of a sweep: one page that needs nothing else, and its tables in three more formats."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from plane_anomalib.benchmark.schema import JobResult
from plane_anomalib.core.files import replaced

__all__ = ["write_report"]


def write_report(
    results: Sequence[JobResult],
    out: Path,
    *,
    title: str,
    results_folder: Path | None = None,
    seed: int = 0,
) -> list[Path]:
    """Write `report.html`, `report.md`, `report.tex` and `report.csv`.

    Args:
        results: Of one sweep, finished and failed, in any order.
        out: The folder to write to; it is made.
        title: Headline.
        results_folder: The folder of results, in which clouds and prompts lie beside each
            `result.json`; without it the page shows neither.
        seed: Of the bootstrap, so that the same results give the same report.

    Returns:
        The files, in this order.
    """
    from plane_anomalib.benchmark.report.latex import to_latex
    from plane_anomalib.benchmark.report.long_csv import to_csv
    from plane_anomalib.benchmark.report.markdown import to_markdown
    from plane_anomalib.benchmark.report.page import to_html
    from plane_anomalib.benchmark.report.report import gather

    report = gather(results, title, np.random.default_rng(seed))
    texts = {
        "report.html": to_html(report, results_folder),
        "report.md": to_markdown(report),
        "report.tex": to_latex(report),
        "report.csv": to_csv(report),
    }
    files = []
    for name, text in texts.items():
        with replaced(out / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
        files.append(out / name)
    return files
