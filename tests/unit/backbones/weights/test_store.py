from __future__ import annotations

from pathlib import Path

import pytest

from plane_anomalib.backbones.weights import store
from plane_anomalib.backbones.weights.catalogue import CATALOGUE, CatalogueEntry, HubFile, find
from plane_anomalib.backbones.weights.download import require_safe
from plane_anomalib.core.errors import WeightsError

ENTRY = CATALOGUE["ulip2-xyz"]
PIN = store.Pin("1" * 64, 10, "somewhere", "/no/where.pt")


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=lambda entry: entry.name)
def test_every_entry_is_complete_and_its_address_can_be_fetched(entry: CatalogueEntry) -> None:
    require_safe(str(entry.source))
    assert all((entry.what, entry.file, entry.licence, entry.terms, entry.citation))
    assert entry.sha256 is None or len(bytes.fromhex(entry.sha256)) == 32
    assert isinstance(entry.source, str) or entry.source.path.endswith(entry.file)
    assert bool(entry.text) == (entry.text_entry in CATALOGUE)


def test_dataset_and_model_repositories_have_different_addresses() -> None:
    assert str(HubFile("a/b", "c/d.pt")) == "https://huggingface.co/a/b/resolve/main/c/d.pt"
    dataset = HubFile("a/b", "d.pt", "dataset", "v1")
    assert str(dataset) == "https://huggingface.co/datasets/a/b/resolve/v1/d.pt"


def test_unknown_name_is_met_with_the_nearest() -> None:
    with pytest.raises(WeightsError, match="did you mean ulip2-xyz"):
        find("ulip2xyz")
    with pytest.raises(WeightsError, match=f"there are {', '.join(CATALOGUE)}"):
        find("?")


def test_folder_is_the_variable_or_in_the_users_cache(
    weights_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert store.folder() == weights_folder
    monkeypatch.delenv(store.FOLDER_VARIABLE)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert store.folder() == tmp_path / "cache" / "plane-anomalib" / "weights"


def test_pins_come_back_and_do_not_disturb_each_other() -> None:
    assert store.pin_of(ENTRY) is None
    store.write_pin(ENTRY, PIN)
    other = store.Pin("2" * 64, 20, "elsewhere", "/no/other.pt", "3" * 64)
    store.write_pin(CATALOGUE["point-mae"], other)
    assert store.pin_of(ENTRY) == PIN
    assert store.pin_of(CATALOGUE["point-mae"]) == other


@pytest.mark.parametrize("text", ["", "{", "[]", '{"ulip2-xyz": 1}', '{"ulip2-xyz": {"a": 1}}'])
def test_damaged_record_is_no_silent_permission(weights_folder: Path, text: str) -> None:
    weights_folder.mkdir()
    (weights_folder / "pins.json").write_text(text)
    with pytest.raises(WeightsError, match=r"pins\.json: the recorded hashes cannot be read"):
        store.pin_of(ENTRY)


def test_what_a_model_can_use_is_the_converted_file(tmp_path: Path) -> None:
    assert store.usable_path(ENTRY) is None
    assert "weights get ulip2-xyz --accept-terms" in str(store.missing(ENTRY))
    original = tmp_path / "w.pt"
    original.touch()
    store.write_pin(ENTRY, store.Pin("1" * 64, 0, "x", str(original)))
    assert store.here(ENTRY) == original
    assert store.usable_path(ENTRY) is None
    assert f"weights convert {original} --name ulip2-xyz" in str(store.missing(ENTRY))
    store.converted_path(ENTRY).parent.mkdir(parents=True)
    store.converted_path(ENTRY).touch()
    assert store.usable_path(ENTRY) == store.converted_path(ENTRY)
