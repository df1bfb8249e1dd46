"""What a client sends stays data: its names lead nowhere, nothing is unpickled or unpacked."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from tests.unit.serving.conftest import left


class Marker:
    """Makes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.file),)


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd.xyz",
        "/etc/passwd.xyz",
        "..\\..\\windows\\system.xyz",
        "C:\\scan.xyz",
        "Prüfling 検査 \U0001f9ea.xyz",
        "a" * 3000 + ".xyz",
        "%2e%2e%2fpasswd.xyz",
        "scan.ply\x00.xyz",
        ".xyz.xyz",
    ],
)
def test_a_name_is_only_looked_at_for_its_suffix(
    client: TestClient, name: str, tmp_path: Path
) -> None:
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    response = client.post("/inspect", files={"file": (name, b"0 0 0\n0 0 1\n1 0 0\n")})
    assert response.status_code == 200, response.text
    assert response.json()["num_points"] == 3
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_name_of_a_file_here_does_not_stand_for_it(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "there.xyz").write_text("0 0 0\n" * 7)
    body = (
        f'--x\r\ncontent-disposition: form-data; name="file"; filename="{tmp_path}/there.xyz"'
        "\r\n\r\n1 2 3\n\r\n--x--\r\n"
    )
    response = client.post(
        "/inspect",
        content=body.encode(),
        headers={"content-type": "multipart/form-data; boundary=x"},
    )
    assert response.json()["num_points"] == 1


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".xyz", ".ply"])
def test_pickles_are_refused_and_not_run(client: TestClient, tmp_path: Path, suffix: str) -> None:
    marker = tmp_path / "was_unpickled"
    objects = np.array([Marker(marker)], dtype=object)
    content = io.BytesIO()
    if suffix == ".npy":
        np.save(content, objects, allow_pickle=True)
    elif suffix == ".npz":
        np.savez(content, points=objects)
    else:
        content.write(pickle.dumps(Marker(marker)))
    response = client.post("/inspect", files={"file": (f"a{suffix}", content.getvalue())})
    assert response.status_code == 422, response.text
    assert not marker.exists()


def test_an_archive_is_not_unpacked(client: TestClient, tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("../../escaped.npy", b"x")
        archive.writestr("/escaped.npy", b"x")
    response = client.post("/inspect", files={"file": ("a.npz", content.getvalue())})
    assert response.status_code == 422
    assert not list(tmp_path.rglob("escaped*"))
    assert left(tmp_path) == []


def test_an_archive_that_unpacks_to_too_much_is_413(client: TestClient) -> None:
    content = io.BytesIO()
    np.savez_compressed(content, points=np.zeros((200_000, 3), np.float32))
    assert len(content.getvalue()) < 10_000
    response = client.post("/inspect", files={"file": ("a.npz", content.getvalue())})
    assert response.status_code == 413
    assert "200,000 points where at most 5,000" in response.json()["detail"]
