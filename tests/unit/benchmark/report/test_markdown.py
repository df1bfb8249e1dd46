from __future__ import annotations

from plane_anomalib.benchmark.report.markdown import printed
from tests.support.sweep_results import failed, make_result


def test_the_table_names_what_a_row_lacks_and_what_failed() -> None:
    values = {"bowl": 0.6, "cup": 0.8}
    table = printed(
        [
            make_result("A", categories=["bowl"], values=values),
            make_result("A", categories=["cup"], values=values),
            make_result("B", categories=["bowl"], values=values),
            failed(make_result("C", categories=["bowl"])),
        ]
    )
    lines = table.splitlines()
    assert lines[0] == "### objects"
    rows = {line.split("|")[1].strip(): [c.strip() for c in line.split("|")] for line in lines[4:]}
    assert list(rows) == ["A", "B", "C"]
    assert rows["A"][5] == "0.700"
    assert rows["A"][-2] == ""
    assert rows["B"][5] == "0.600"
    assert rows["B"][-2] == "1 of 2 categories"
    assert rows["C"][-2]
    assert rows["C"][5] == ""
