"""`plane-anomalib serve` as a user types it: it comes up, answers, and ends when told to."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import numpy as np
import pytest

import plane_anomalib
from plane_anomalib.cli import commands
from plane_anomalib.formats.io import read_points
from tests.cli.conftest import BIN, Typed


@pytest.fixture
def checkpoint(scans: Path, tmp_path: Path) -> Path:
    from anomalib.engine import Engine

    from plane_anomalib.data.folder import PointCloudFolder
    from plane_anomalib.models.btf import BTF

    engine = Engine(
        accelerator="cpu", devices=1, logger=False, default_root_dir=tmp_path / "run",
        enable_progress_bar=False,
    )  # fmt: skip
    engine.fit(BTF(descriptor="raw"), datamodule=PointCloudFolder(scans))
    return Path(engine.best_model_path)


@pytest.mark.slow
def test_a_cloud_is_judged_over_http_and_sigterm_ends_the_server_well(
    checkpoint: Path, scans: Path, tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    scan = scans / "test/bulge/0.xyz"
    with subprocess.Popen(
        [BIN / "plane-anomalib", "serve", checkpoint, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(temporary)},
    ) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        address = re.match(r"(http://127\.0\.0\.1:\d+)/docs", server.stdout.readline())
        assert address, server.stderr.read()
        with httpx.Client(base_url=address[1], timeout=60) as client:
            health = client.get("/health").json()
            answer = client.post("/inspect", files={"file": (scan.name, scan.read_bytes())}).json()
            refused = client.post("/inspect", files={"file": ("scan.docx", b"1 2 3")})
        server.send_signal(signal.SIGTERM)
        _, log = server.communicate(timeout=30)

    detector = plane_anomalib.load(checkpoint)
    expected = detector(read_points(scan).points)
    assert health["loaded"]
    assert (health["model"], health["weights_hash"]) == ("BTF", detector.weights_hash)
    assert np.isclose(answer["score"], expected.score, rtol=1e-5)
    assert answer["decision"] == expected.decision
    assert answer["num_points"] == 600
    assert refused.status_code == 415
    assert server.returncode == 0, log
    assert len(re.findall(r"POST /inspect 200, \d+ bytes", log)) == 1
    assert "Traceback" not in log
    assert list(temporary.iterdir()) == []


def test_an_address_that_is_taken_is_said_before_anything_is_loaded(typed: Typed) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        taken = typed("plane-anomalib", "serve", "run", "--port", port)
    assert taken.returncode == 1
    assert taken.stderr == (
        f"error: 127.0.0.1 port {port} cannot be had (Address already in use): choose another "
        "--port or --host.\n"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--port", "0"], "there is no such detector"),
        (["--port", "99999"], "0 to 65535"),
        (["--port", "0", "--timeout", "0"], "timeout is 0.0; it must be above zero"),
    ],
)
def test_what_cannot_be_served_is_one_sentence(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="1"):
        commands.run(["serve", str(tmp_path / "none"), *options])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert words in line
