from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from plane_anomalib.core.errors import PointCloudFileError
from plane_anomalib.formats.labels import mark_nearest, read_mask, transfer_labels
from tests.support.trees import dent, surface, write_pcd, write_truth

TRUTH = Path("truth.txt")


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), extra=st.integers(0, 3), duplicates=st.integers(0, 20))
def test_labels_survive_shuffled_extra_and_duplicate_rows(
    seed: int, extra: int, duplicates: int
) -> None:
    generator = np.random.default_rng(seed)
    points, mask = dent(surface(generator), generator)
    rows = np.concatenate([np.arange(200), generator.integers(0, 200, duplicates)])
    noise = generator.uniform(-1e-4, 1e-4, (len(rows), 3)).astype(np.float32)
    truth = np.concatenate([points[rows] + noise, generator.normal(size=(extra, 3)) * 9])
    labels = np.concatenate([mask[rows], generator.random(extra) < 0.5])
    order = generator.permutation(len(truth))
    found = transfer_labels(points, truth[order].astype(np.float32), labels[order], path=TRUTH)
    assert np.array_equal(found, mask)


def test_each_point_takes_its_nearest_rows_label(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    points, mask = dent(surface(generator, 300), generator)
    truth = points + generator.normal(scale=1e-4, size=points.shape).astype(np.float32)
    labels = mask ^ (generator.random(300) < 0.1)
    expected = labels[cdist(points, truth).argmin(axis=1)]
    assert np.array_equal(transfer_labels(points, truth, labels, path=TRUTH), expected)


def test_contradicting_rows_at_one_place_count_as_anomalous_in_any_order() -> None:
    points = surface(np.random.default_rng(0), 50)
    truth = np.concatenate([points, points[:5]])
    labels = np.zeros(55, bool)
    labels[-5:] = True
    for rows in (slice(None), slice(None, None, -1)):
        found = transfer_labels(points, truth[rows], labels[rows], path=TRUTH)
        assert found.nonzero()[0].tolist() == [0, 1, 2, 3, 4]


def test_truth_of_another_cloud_is_refused() -> None:
    generator = np.random.default_rng(1)
    other, mask = dent(surface(generator), generator)
    with pytest.raises(PointCloudFileError, match=r"truth\.txt: does not fit its cloud"):
        transfer_labels(surface(generator), other, mask, path=TRUTH)


def test_tolerance_follows_the_objects_size() -> None:
    generator = np.random.default_rng(2)
    points, mask = dent(surface(generator, scale=20.0), generator)
    shifted = points + np.float32(0.01)
    assert np.array_equal(transfer_labels(points, shifted, mask, path=TRUTH), mask)
    with pytest.raises(PointCloudFileError, match=r"0\.01732 away from the nearest row"):
        transfer_labels(points, shifted, mask, path=TRUTH, tolerance=1e-4)


def test_truth_without_an_anomalous_row_is_refused() -> None:
    points = surface(np.random.default_rng(0))
    with pytest.raises(PointCloudFileError, match="no point is labelled anomalous"):
        transfer_labels(points, points, np.zeros(200, bool), path=TRUTH)


def test_truth_whose_anomalous_rows_lie_elsewhere_is_refused() -> None:
    points = surface(np.random.default_rng(0))
    truth = np.concatenate([points, [[9, 9, 9]]]).astype(np.float32)
    with pytest.raises(PointCloudFileError, match="none of its anomalous rows lies on the cloud"):
        transfer_labels(points, truth, np.arange(201) == 200, path=TRUTH)


def test_rows_off_the_cloud_label_its_nearest_points_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    points = np.eye(3, dtype=np.float32)
    rows = np.array([[1, 0, 0], [1, 0, 0], [0, 1.2, 0]], np.float32)
    mask = mark_nearest(points, rows, path=TRUTH)
    assert mask.tolist() == [True, True, False]
    assert "truth.txt: 1 of 3 rows lie up to 0.2 off the cloud" in caplog.text


def test_rows_that_are_all_off_the_cloud_are_refused() -> None:
    points = np.eye(3, dtype=np.float32)
    with pytest.raises(PointCloudFileError, match=r"nearest of its 3 rows is 1 away, 0\.0017"):
        mark_nearest(points, points * 2, path=TRUTH)


@pytest.mark.parametrize("kind", ["comma.txt", "blank.txt", "rows.npy", "column.npy"])
def test_every_kind_of_file_gives_the_same_mask(tmp_path: Path, kind: str) -> None:
    generator = np.random.default_rng(4)
    points, mask = dent(surface(generator), generator)
    path = tmp_path / kind
    if kind == "rows.npy":
        np.save(path, np.column_stack([points, mask])[::-1])
    elif kind == "column.npy":
        np.save(path, mask)
    else:
        delimiter = "," if kind == "comma.txt" else " "
        write_truth(path, points, mask, generator=generator, delimiter=delimiter)
    assert np.array_equal(read_mask(path, points), mask)


def test_array_of_the_wrong_length_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", np.ones(7))
    with pytest.raises(PointCloudFileError, match="has 7 labels for a cloud of 200 usable points"):
        read_mask(tmp_path / "m.npy", surface(np.random.default_rng(0)))


def test_array_of_the_wrong_shape_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", np.ones((7, 3)))
    with pytest.raises(PointCloudFileError, match=r"m\.npy: "):
        read_mask(tmp_path / "m.npy", surface(np.random.default_rng(0)))


def test_pickled_array_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", np.array([{"x": 1}], object), allow_pickle=True)
    with pytest.raises(PointCloudFileError, match=r"m\.npy: "):
        read_mask(tmp_path / "m.npy", surface(np.random.default_rng(0)))


def test_labels_in_order_without_an_anomalous_one_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", np.zeros(200))
    with pytest.raises(PointCloudFileError, match="no point is labelled anomalous"):
        read_mask(tmp_path / "m.npy", surface(np.random.default_rng(0)))


def test_cloud_without_a_label_field_is_no_ground_truth(tmp_path: Path) -> None:
    points = surface(np.random.default_rng(0))
    path = write_pcd(tmp_path / "truth.pcd", points)
    with pytest.raises(PointCloudFileError, match=r"truth\.pcd: .*label"):
        read_mask(path, points)


@pytest.mark.parametrize("form", ["255", "column", "Nx1", "alone", "only anomalous", "header"])
def test_ways_to_write_ground_truth_give_the_same_mask(tmp_path: Path, form: str) -> None:
    points, mask = dent(surface(np.random.default_rng(5)), np.random.default_rng(5))
    path = tmp_path / ("m.npy" if form == "Nx1" else "m.txt")
    rows = np.column_stack([points, mask])
    if form == "255":
        np.savetxt(path, np.column_stack([points, mask * 255]), "%.6f")
    elif form in ("column", "alone"):
        np.savetxt(path, mask, "%d")
    elif form == "Nx1":
        np.save(path, mask[:, None])
    elif form == "only anomalous":
        np.savetxt(path, rows[mask], "%.6f")
    else:
        np.savetxt(
            path, rows[:, [3, 0, 1, 2]], "%.6f", ",", header="scalar_label,x,y,z", comments=""
        )
    assert np.array_equal(read_mask(path, points), mask)


def test_truth_that_labels_most_points_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    points, mask = dent(surface(np.random.default_rng(6)), np.random.default_rng(6))
    np.savetxt(tmp_path / "m.txt", np.column_stack([points, ~mask]), "%.6f")
    read_mask(tmp_path / "m.txt", points)
    assert "points anomalous; 1 stands for anomalous, not for good" in caplog.text


def test_truth_in_another_unit_is_refused_with_the_factor(tmp_path: Path) -> None:
    points, mask = dent(surface(np.random.default_rng(7)), np.random.default_rng(7))
    np.savetxt(tmp_path / "m.txt", np.column_stack([points / 1000, mask]), "%.9f")
    with pytest.raises(PointCloudFileError, match="1000 times as large or as small"):
        read_mask(tmp_path / "m.txt", points)


def test_labels_below_zero_are_refused(tmp_path: Path) -> None:
    points, mask = dent(surface(np.random.default_rng(8)), np.random.default_rng(8))
    np.save(tmp_path / "m.npy", mask * 2 - 1)
    with pytest.raises(PointCloudFileError, match="label -1, which is below 0"):
        read_mask(tmp_path / "m.npy", points)
