"""`view`: from a folder of results to pages, pictures and a list."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from plane_anomalib.core.errors import ConfigurationError, PlaneAnomalibError
from plane_anomalib.inspection.pages import STOPS
from plane_anomalib.inspection.report import ViewOptions, view
from plane_anomalib.web.shown_cloud import view_rotation
from tests.support.judged import Judged, make_judged, page_data


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """Results with everything in them, shown once; not to be changed."""
    judged = make_judged(tmp_path_factory.mktemp("judged"))
    view(judged.out, options=ViewOptions(num_points=900, size=120))
    return judged


def unpack(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype=kind)


def test_a_page_holds_the_points_scores_and_regions_of_the_input(shared: Judged) -> None:
    data = page_data(shared.out / "view" / "bad.html")
    given = np.load(shared.out / "clouds" / "bad.npz")
    indices = unpack(data["indices"], "<u4")
    assert data["cloud"]["total"] == 2000
    assert data["cloud"]["shown"] == len(indices) <= 900
    step = data["cloud"]["step"]
    codes = unpack(data["cloud"]["points"], "<u2").reshape(-1, 3)
    points = np.array(data["cloud"]["origin"]) + codes * step
    assert np.abs(points - given["points"][indices]).max() <= 0.5001 * step
    low, score_step = data["scores"]["low"], data["scores"]["step"]
    scores = low + unpack(data["cloud"]["pointScores"], "<u2") * score_step
    assert np.abs(scores - given["scores"][indices]).max() <= 0.51 * score_step
    region = unpack(data["regionOf"], "<u2").astype(int)
    assert np.array_equal(np.where(region == 65535, -1, region), given["region"][indices])
    truth = np.unpackbits(unpack(data["cloud"]["truth"], "u1"), bitorder="little")[: len(indices)]
    assert np.array_equal(truth.astype(bool), given["truth"][indices])


def test_regions_and_thresholds_are_those_of_the_summary(shared: Judged) -> None:
    data = page_data(shared.out / "view" / "bad.html")
    regions = shared.summary.clouds[0].regions
    assert len(regions) == 2
    for said, region in zip(data["regions"], regions, strict=True):
        assert said["center"] == list(region.center)
        assert said["points"] == region.num_points
        assert said["height"] == region.height
    own = shared.summary.detector.point_threshold
    assert own is not None
    assert data["pointThreshold"] == {"value": own.value, "origin": own.origin}
    assert data["slider"]["stops"] == STOPS


def test_the_good_scan_lies_on_the_cloud(shared: Judged) -> None:
    data = page_data(shared.out / "view" / "bad.html")
    good = data["good"]
    assert good["name"] == "good1"
    codes = unpack(good["points"], "<u2").reshape(-1, 3)
    points = np.array(good["origin"]) + codes * good["step"]
    cloud = np.load(shared.out / "clouds" / "bad.npz")["points"]
    gaps = np.linalg.norm(points[:200, None] - cloud[None], axis=2).min(1)
    assert np.median(gaps) < 1.5


def test_pictures_have_the_wanted_size_and_are_not_empty(shared: Judged) -> None:
    folder = shared.out / "view"
    # Input, ground truth and map; without a ground truth one panel less.
    for name, panels in (("bad", 3), ("fine", 2)):
        picture = Image.open(folder / f"{name}.png")
        assert picture.size == (panels * 120, 120 + 96)
        assert np.asarray(picture.convert("L")).std() > 10
    small = np.asarray(Image.open(folder / "thumbnails" / "bad.png"))
    assert small.shape == (320, 320, 4)
    assert 0.2 < (small[..., 3] > 0).mean() < 0.95


def test_the_list_has_anomalous_clouds_first_and_tells_what_failed(shared: Judged) -> None:
    text = (shared.out / "view" / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'href="([^"]+)"', text) == ["bad.html", "fine.html"]
    assert "scans/&lt;broken&gt;.ply: holds zero points" in text
    assert "best F1 on &lt;2&gt; good scans" in text
    assert not re.search(r"https?:|//[a-z]+\.", text)


def test_a_scan_that_was_not_judged_stands_in_the_list_with_its_reason(tmp_path: Path) -> None:
    judged = make_judged(tmp_path, num=300)
    summary = judged.summary
    nothing = replace(
        summary.clouds[1], score=None, decision="not judged", reason="It has 1 point.", files={}
    )
    replace(summary, clouds=[summary.clouds[0], nothing]).write(judged.out)
    view(judged.out, options=ViewOptions(size=64))
    text = (judged.out / "view" / "index.html").read_text(encoding="utf-8")
    assert f"{nothing.path}: not judged. It has 1 point." in text
    assert re.findall(r'href="([^"]+)"', text) == ["bad.html"]


def test_a_damaged_cloud_is_told_and_the_others_are_shown(tmp_path: Path) -> None:
    judged = make_judged(tmp_path, num=300)
    (judged.out / "clouds" / "bad.npz").write_bytes(b"no archive")
    lines: list[str] = []
    viewed = view(judged.out, options=ViewOptions(size=64), report=lines.append)
    assert [page.name for page in viewed.pages] == ["fine.html"]
    assert [failed.path for failed in viewed.failed] == [str(judged.out / "clouds" / "bad.npz")]
    assert "bad: not shown" in lines[0]
    assert viewed.index is not None
    assert "cannot be read" in viewed.index.read_text(encoding="utf-8")


def test_a_cloud_of_which_no_npz_was_written_is_told(tmp_path: Path) -> None:
    judged = make_judged(tmp_path, num=300)
    summary = judged.summary
    clouds = [replace(summary.clouds[0], files={"csv": "clouds/bad.csv"}), *summary.clouds[1:]]
    replace(summary, clouds=clouds).write(judged.out)
    viewed = view(judged.out, options=ViewOptions(size=64))
    assert [page.name for page in viewed.pages] == ["fine.html"]
    assert "bad: has no .npz to show" in viewed.failed[0].reason


def test_a_cloud_called_index_does_not_replace_the_list(tmp_path: Path) -> None:
    judged = make_judged(tmp_path, ("index", "other"), num=300)
    viewed = view(judged.out, options=ViewOptions(size=64))
    assert sorted(page.name for page in viewed.pages) == ["index-2.html", "other.html"]
    assert page_data(judged.out / "view" / "index-2.html")["name"] == "index"


def test_one_file_of_the_results_is_shown_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    judged = make_judged(tmp_path, num=300)
    viewed = view(judged.out / "clouds" / "bad.npz", options=ViewOptions(size=64))
    assert viewed.pages == [judged.out / "view" / "bad.html"]
    assert viewed.index is None
    text = viewed.pages[0].read_text(encoding="utf-8")
    assert "Object score 0.9 is at or above the threshold 0.75" in text
    assert "All clouds" not in text


def test_a_file_alone_is_shown_beside_itself(tmp_path: Path) -> None:
    make_judged(tmp_path, num=300)
    file = tmp_path / "alone.npz"
    (tmp_path / "out" / "clouds" / "bad.npz").rename(file)
    viewed = view(file, options=ViewOptions(size=64))
    assert viewed.pages == [tmp_path / "alone.html"]
    data = page_data(viewed.pages[0])
    assert data["good"] is None
    assert "the detector's folder is not known" in data["goodNote"]
    assert (tmp_path / "alone.png").is_file()


@pytest.mark.parametrize("change", ["no folder", "another detector", "no scans", "damaged"])
def test_without_a_good_scan_the_page_says_why(change: str, tmp_path: Path) -> None:
    judged = make_judged(tmp_path, num=300)
    card = judged.run / "detector.json"
    scans = sorted((judged.run / "good").iterdir())
    if change == "no folder":
        card.unlink()
    elif change == "another detector":
        card.write_text(json.dumps({**json.loads(card.read_text()), "weights_hash": "b" * 64}))
    elif change == "no scans":
        for file in scans:
            file.unlink()
    else:
        scans[0].write_bytes(b"no archive")
    view(judged.out, options=ViewOptions(size=64))
    data = page_data(judged.out / "view" / "bad.html")
    assert data["good"] is None
    words = {
        "no folder": "name its folder with --run",
        "another detector": "another detector than the one that judged",
        "no scans": "holds none",
        "damaged": "cannot be read",
    }
    assert words[change] in data["goodNote"]


def test_view_and_scale_are_the_same_for_all_clouds_when_asked(tmp_path: Path) -> None:
    judged = make_judged(tmp_path, num=300)
    view(judged.out, options=ViewOptions(view=(10.0, 20.0), scale=(0.1, 0.9), size=64))
    for name in ("bad", "fine"):
        data = page_data(judged.out / "view" / f"{name}.html")
        assert np.allclose(data["cloud"]["rotation"], view_rotation(10.0, 20.0).ravel(), atol=1e-6)
        assert data["scale"] == {"low": 0.1, "center": 0.5, "high": 0.9, "threshold": 0.5}


def test_the_default_scale_is_that_of_the_results(shared: Judged) -> None:
    scale = page_data(shared.out / "view" / "fine.html")["scale"]
    assert scale == {"low": 0.0, "center": 0.5, "high": 1.0, "threshold": 0.5}


def test_ground_truth_can_come_from_a_folder(tmp_path: Path) -> None:
    judged = make_judged(tmp_path, num=300)
    points = np.load(judged.out / "clouds" / "fine.npz")["points"]
    labels = np.arange(300) < 30
    truth = tmp_path / "gt"
    truth.mkdir()
    np.savetxt(truth / "fine.txt", np.column_stack([points, labels]), fmt="%.5f %.5f %.5f %d")
    view(judged.out, options=ViewOptions(truth=truth, size=64))
    flags = page_data(judged.out / "view" / "fine.html")["cloud"]["truth"]
    bits = np.unpackbits(unpack(flags, "u1"), bitorder="little")[:300]
    assert np.array_equal(bits.astype(bool), labels)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_points": 0}, "--points is 0"),
        ({"size": 10}, "64 to 4096 pixels"),
        ({"scale": (1.0, 0.0)}, "LOW must be below HIGH"),
        ({"view": (float("nan"), 0.0)}, "finite numbers"),
        ({"truth": Path("nowhere")}, "there is no such folder"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        ViewOptions(**options)


def test_a_folder_without_results_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(PlaneAnomalibError, match=r"holds no summary\.json"):
        view(tmp_path)
