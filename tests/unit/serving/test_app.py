"""The server's answers: those of the detector, and a sentence with the right status otherwise."""

from __future__ import annotations

import base64
import io
import logging
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
import trimesh
from fastapi.testclient import TestClient

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.core.version import __version__
from plane_anomalib.formats.writer import WRITTEN_SUFFIXES, write_points
from plane_anomalib.inspection.detector import Detector
from plane_anomalib.serving.app import create_app
from plane_anomalib.serving.work_queue import ServerLimits
from tests.support.detectors import a_card
from tests.unit.serving.conftest import Heights, left


def post(client: TestClient, name: str, content: bytes, **query: str | bool):  # type: ignore[no-untyped-def]
    return client.post("/inspect", files={"file": (name, content)}, params=query)


@pytest.mark.parametrize("suffix", sorted(WRITTEN_SUFFIXES))
def test_every_kind_of_cloud_gets_the_answer_of_the_detector(
    client: TestClient, detector: Detector, ball: np.ndarray, tmp_path: Path, suffix: str
) -> None:
    file = tmp_path / f"scan{suffix}"
    write_points(file, ball)
    expected = detector(ball)

    answer = post(client, file.name.upper(), file.read_bytes()).json()

    assert answer["score"] == expected.score
    assert answer["decision"] == expected.decision == "anomaly"
    assert answer["threshold"]["value"] == expected.threshold.value
    assert answer["threshold"]["origin"] == "saved with the model"
    assert (answer["num_points"], answer["dropped"], answer["sampled"]) == (600, 0, False)
    assert [r["num_points"] for r in answer["regions"]] == [r.num_points for r in expected.regions]
    assert len(answer["regions"]) > 0
    assert answer["cloud"] is None


def test_point_scores_come_in_the_order_of_the_file(
    client: TestClient, detector: Detector, ball: np.ndarray, scan: Path
) -> None:
    answer = post(client, "scan.ply", scan.read_bytes(), points=True).json()
    expected = detector(ball)
    with np.load(io.BytesIO(base64.b64decode(answer["cloud"])), allow_pickle=False) as cloud:
        np.testing.assert_array_equal(cloud["points"], ball)
        np.testing.assert_array_equal(cloud["scores"], expected.point_scores)
        np.testing.assert_array_equal(cloud["region"], expected.region_of_point)


def test_rows_that_are_not_finite_are_left_out_and_counted(
    client: TestClient, ball: np.ndarray, tmp_path: Path
) -> None:
    ball[3, 1] = np.nan
    np.save(tmp_path / "scan.npy", ball)
    answer = post(client, "scan.npy", (tmp_path / "scan.npy").read_bytes()).json()
    assert (answer["num_points"], answer["dropped"]) == (599, 1)


def test_a_mesh_is_sampled_and_says_so(client: TestClient) -> None:
    mesh = trimesh.creation.box().export(file_type="obj")
    answer = post(client, "part.obj", mesh.encode()).json()
    assert (answer["num_points"], answer["sampled"]) == (5000, True)


@pytest.mark.parametrize(
    ("name", "content", "status", "words"),
    [
        ("scan.ply", b"", 422, "is empty"),
        ("scan.ply", b"ply\nformat ascii 1.0\n", 422, "header has no end"),
        ("scan.xyz", b"1 2 3\n4 x 6\n", 422, "line 2 has 'x'"),
        ("scan.xyz", b"nan nan nan\n", 422, "no finite point"),
        ("scan.doc", b"1 2 3\n", 415, "suffix '.doc'"),
        ("scan.pdc", b"1 2 3\n", 415, "did you mean .pcd?"),
        ("scan", b"1 2 3\n", 415, "no suffix"),
        (".ply", b"1 2 3\n", 415, "no suffix"),
        ("scan.xyz", b"1 2 3\n" * 5001, 413, "where at most 5,000 are taken"),
        ("scan.xyz", b"1 2 3\n" * 200_000, 413, "larger than 1 MB"),
    ],
)
def test_what_cannot_be_judged_is_refused_with_a_reason(
    client: TestClient, name: str, content: bytes, status: int, words: str, tmp_path: Path
) -> None:
    response = post(client, name, content)
    assert response.status_code == status, response.text
    assert words in response.json()["detail"]
    assert str(tmp_path) not in response.text


def test_what_is_no_form_with_a_file_is_refused(client: TestClient) -> None:
    assert client.post("/inspect", content=b"1 2 3").status_code == 415
    assert client.post("/inspect", files={"cloud": ("a.xyz", b"1 2 3")}).status_code == 422
    two = [("file", ("a.xyz", b"1 2 3")), ("file", ("b.xyz", b"1 2 3"))]
    assert client.post("/inspect", files=two).status_code == 400
    broken = client.post(
        "/inspect", content=b"--x\r\n", headers={"content-type": "multipart/form-data; boundary=y"}
    )
    assert broken.status_code in (400, 422)
    assert post(client, "a.xyz", b"1 2 3", compare="maybe").json()["detail"].startswith("compare:")


def test_a_body_without_a_length_is_measured_as_it_comes(client: TestClient) -> None:
    sent = 0

    def body() -> object:
        nonlocal sent
        yield b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.xyz"\r\n\r\n'
        for _ in range(20):
            sent += 100_000
            yield b"1 2 3\n" * 16_667

    response = client.post(
        "/inspect",
        content=body(),
        headers={"content-type": "multipart/form-data; boundary=x"},
    )
    assert response.status_code == 413


def test_the_detectors_own_refusal_reaches_the_client(
    client: TestClient, model: Heights, scan: Path
) -> None:
    model.fault = ConfigurationError("3 points are needed.")
    response = post(client, "scan.ply", scan.read_bytes())
    assert (response.status_code, response.json()["detail"]) == (422, "3 points are needed.")


def test_a_fault_of_the_server_is_500_without_its_text(
    client: TestClient, model: Heights, scan: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model.fault = RuntimeError("secret")
    response = post(client, "scan.ply", scan.read_bytes())
    assert response.status_code == 500
    assert "secret" not in response.text
    assert "secret" in caplog.text


def test_a_cloud_with_next_to_nothing_in_it_is_answered_but_not_judged(
    client: TestClient, model: Heights
) -> None:
    answer = post(client, "a.xyz", b"1 2 3\n").json()
    assert (answer["decision"], answer["score"], answer["regions"]) == ("not judged", None, [])
    assert "It has 1 point, which show no surface" in answer["reason"]
    assert model.asked == 0


def test_a_cloud_in_another_unit_is_converted_where_the_client_says_so(
    client: TestClient, detector: Detector, ball: np.ndarray, tmp_path: Path
) -> None:
    detector.card = a_card(units="mm", scans=())
    write_points(tmp_path / "scan.ply", ball / np.float32(1_000))
    answer = post(client, "scan.ply", (tmp_path / "scan.ply").read_bytes(), units="m").json()
    assert answer["score"] == pytest.approx(detector(ball).score, rel=1e-4)
    assert answer["notes"][0].startswith("Lengths were multiplied by 1000: from metres")


def test_a_unit_is_refused_where_that_of_the_good_scans_is_not_known(
    client: TestClient, scan: Path
) -> None:
    response = post(client, "scan.ply", scan.read_bytes(), units="m")
    assert response.status_code == 422
    assert "does not say which unit" in response.json()["detail"]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_health_answers_while_a_cloud_is_scored_and_a_third_request_is_sent_away(
    client: TestClient, model: Heights, detector: Detector, scan: Path
) -> None:
    content = scan.read_bytes()
    model.gate.clear()
    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(post, client, "scan.ply", content) for _ in range(2)]
        wait_for(lambda: client.get("/health").json()["busy"] == 2 and model.asked == 1)
        refused = post(client, "scan.ply", content)
        assert client.get("/health").json() == {
            "loaded": True,
            "model": "Heights",
            "weights_hash": detector.weights_hash,
            "categories": [],
            "version": __version__,
            "busy": 2,
        }
        model.gate.set()
        assert [job.result().status_code for job in both] == [200, 200]
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    assert client.get("/health").json()["busy"] == 0


def test_an_answer_that_is_late_is_504_and_its_place_is_free_when_the_thread_is(
    detector: Detector, model: Heights, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    content = scan.read_bytes()
    model.gate.clear()
    with TestClient(create_app(detector, ServerLimits(timeout=0.3, waiting=2))) as client:
        running = post(client, "scan.ply", content)
        waiting = post(client, "scan.ply", content)
        assert (running.status_code, waiting.status_code) == (504, 504)
        assert client.get("/health").json()["busy"] == 1, "the one that waited never begins"
        assert len(left(tmp_path)) == 1
        model.gate.set()
        wait_for(lambda: client.get("/health").json()["busy"] == 0)
        assert model.asked == 1
        assert left(tmp_path) == []
        assert post(client, "scan.ply", content).status_code == 200


def test_a_client_that_goes_away_does_not_get_a_turn(
    client: TestClient, model: Heights, scan: Path, tmp_path: Path
) -> None:
    form = httpx.Request(
        "POST", "http://test/inspect", files={"file": ("a.ply", scan.read_bytes())}
    )
    headers = [(name.lower(), value) for name, value in form.headers.raw]
    messages = [
        {"type": "http.request", "body": form.read(), "more_body": False},
        {"type": "http.disconnect"},
    ]
    scope = {
        "type": "http", "method": "POST", "path": "/inspect", "raw_path": b"/inspect",
        "query_string": b"", "headers": headers, "scheme": "http", "http_version": "1.1",
        "server": ("test", 80), "client": ("test", 1), "root_path": "",
    }  # fmt: skip
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return messages.pop(0)

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    model.gate.clear()
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(post, client, "scan.ply", scan.read_bytes())
        wait_for(lambda: model.asked == 1)
        assert client.portal is not None
        client.portal.call(client.app, scope, receive, send)
        assert sent[0]["status"] == 499
        assert client.get("/health").json()["busy"] == 1
        assert len(left(tmp_path)) == 1
        model.gate.set()
        assert first.result().status_code == 200
    assert model.asked == 1


def test_a_request_is_one_line_of_the_log_and_its_path_cannot_make_two(
    client: TestClient, scan: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "plane_anomalib.serving")
    post(client, "secret-name.ply", scan.read_bytes())
    client.get("/a%0Ab")
    lines = [r.getMessage() for r in caplog.records if r.name == "plane_anomalib.serving"]
    assert re.fullmatch(r"POST /inspect 200, \d+ bytes, \d+\.\d{3} s", lines[0])
    assert lines[1].startswith("GET /a%0Ab 404, 0 bytes")
    assert "secret-name" not in caplog.text


def test_the_docs_page_fetches_nothing_and_names_every_query_and_status(client: TestClient) -> None:
    page = client.get("/docs").text
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", page)
    assert "<script" not in page
    for word in ("/inspect", "/health", "compare", "points", "category", "413", "503", "504"):
        assert word in page
    document = client.get("/openapi.json").json()
    assert set(document["paths"]["/inspect"]["post"]["responses"]) == {
        "200", "400", "413", "415", "422", "500", "503", "504",
    }  # fmt: skip
    assert "cloud" in document["components"]["schemas"]["Answer"]["properties"]


@pytest.mark.parametrize("name", ["megabytes", "points", "timeout", "waiting"])
def test_a_limit_that_refuses_everything_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        ServerLimits(**{name: 0})


def test_the_query_says_which_columns_a_table_has(client: TestClient, ball: np.ndarray) -> None:
    rows = "".join(f"{i} {x:.5f} {y:.5f} {z:.5f}\n" for i, (x, y, z) in enumerate(ball.tolist()))
    unclear = post(client, "scan.xyz", rows.encode())
    assert unclear.status_code == 422
    assert "--columns 2,3,4" in unclear.json()["detail"]
    answer = post(client, "scan.xyz", rows.encode(), columns="2,3,4")
    assert answer.status_code == 200
    assert answer.json()["num_points"] == len(ball)
    wrong = post(client, "scan.xyz", rows.encode(), columns="2,3")
    assert wrong.status_code == 422
