"""Names of models and datasets: lazy, forgiving to the typist, unharmed by broken plugins."""

from __future__ import annotations

import inspect
import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from plane_anomalib.core.errors import ConfigurationError, PlaneAnomalibError
from plane_anomalib.core.registry import DATASETS, MODELS, Registry

GROUP = "plane_anomalib_test.things"
GROUP_OF_CONFIGS = "plane_anomalib_test.configs"


@pytest.fixture
def registry() -> Registry:
    return Registry(
        "thing",
        GROUP,
        {
            "OrderedDict": "collections:OrderedDict",
            "Fraction": "fractions:Fraction",
            "Missing": "no_such_module:Missing",
            "Absent": "collections:Absent",
            "Function": "math:sqrt",
        },
    )


def install_distribution(folder: Path, name: str, entry_points: str) -> None:
    """Lay down the metadata that `pip install` would."""
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(entry_points)


@pytest.mark.parametrize("typed", ["OrderedDict", "ordereddict", "ordered_dict", "ORDERED-DICT"])
def test_a_name_is_found_however_it_is_spelt(registry: Registry, typed: str) -> None:
    from collections import OrderedDict

    assert registry.get(typed) is OrderedDict


def test_a_wrong_name_is_answered_with_the_one_meant(registry: Registry) -> None:
    with pytest.raises(ConfigurationError, match=r"'Fractoin': did you mean Fraction\?$"):
        registry.get("Fractoin")
    with pytest.raises(ConfigurationError, match="there are OrderedDict, Fraction"):
        registry.get("zzz")


@pytest.mark.parametrize("name", ["Missing", "Absent", "Function"])
def test_what_cannot_be_loaded_is_named(registry: Registry, name: str) -> None:
    with pytest.raises(PlaneAnomalibError, match=f"^{name} of plane-anomalib"):
        registry.get(name)


def test_a_broken_entry_is_reported_once_and_the_rest_works(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert set(registry.load_all()) == {"OrderedDict", "Fraction"}
        registry.load_all()
    assert [message.split(" of ")[0] for message in caplog.messages] == [
        "Missing",
        "Absent",
        "Function",
    ]


def test_listing_names_imports_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "heavy_for_a_test.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("thing", GROUP, {"Heavy": "heavy_for_a_test:Heavy"})
    assert registry.names == ["Heavy"]
    assert "heavy_for_a_test" not in sys.modules
    with pytest.raises(PlaneAnomalibError, match="SystemExit: imported"):
        registry.get("Heavy")


def test_other_packages_add_theirs_and_cannot_take_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    install_distribution(
        tmp_path,
        "third-party",
        f"[{GROUP}]\nDecimal = decimal:Decimal\nFraction = decimal:Decimal\n",
    )
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("thing", GROUP, {"Fraction": "fractions:Fraction"})
    with caplog.at_level(logging.WARNING):
        assert registry.names == ["Fraction", "Decimal"]
    assert registry.entries["Decimal"].origin == "third-party"
    assert registry.get("decimal").__module__ == "decimal"
    assert registry.get("Fraction").__module__ == "fractions"
    assert "thing Fraction of third-party is ignored" in caplog.text


def test_published_names_are_lazy_and_shadow_nothing(registry: Registry) -> None:
    package = ModuleType("package")
    vars(package)["Fraction"] = "its own"
    registry.publish(package)
    registry.publish(package)
    assert package.Fraction == "its own"
    assert package.OrderedDict.__name__ == "OrderedDict"
    assert not hasattr(package, "nothing_of_ours")
    with pytest.raises(PlaneAnomalibError, match="no_such_module"):
        _ = package.Missing


def test_no_model_of_ours_hijacks_one_of_anomalib() -> None:
    from anomalib.models import list_models

    stock = {name.lower() for name in list_models(case="pascal")} - {
        name.lower() for name in MODELS.names
    }
    assert {"patchcore", "padim"} <= stock
    assert not stock & {name.lower() for name in MODELS.names}


def test_every_built_in_name_stands_for_a_class_of_that_name() -> None:
    for registry in (MODELS, DATASETS):
        for name, entry in registry.entries.items():
            assert entry.load().__name__ == name


@pytest.mark.parametrize("name", [*DATASETS.names, *MODELS.names])
def test_arguments_are_known_without_the_class_and_are_those_of_its_signature(name: str) -> None:
    entry = (DATASETS if name in DATASETS.names else MODELS).entry(name)
    assert entry.config
    signature = inspect.signature(entry.load()).parameters.values()
    assert entry.arguments() == {each.name: each.default for each in signature}
    assert replace(entry, config="").arguments() == entry.arguments()


def test_another_packages_config_declares_arguments_without_its_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ("[plane_anomalib_test.things]", "Foo = nowhere:Foo", "Bar = nowhere:Bar")
    lines += ("[plane_anomalib_test.configs]", "Foo = foo_config:FooConfig", "Bar = nowhere:Config")
    install_distribution(tmp_path, "foo-pack", "\n".join(lines))
    (tmp_path / "foo_config.py").write_text(
        "from dataclasses import dataclass\n\n\n"
        "@dataclass(frozen=True)\nclass FooConfig:\n    size: int = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("thing", GROUP, {}, Registry("config", GROUP_OF_CONFIGS, {}), ("part",))
    completed = registry.complete("foo", {"size": 4})
    assert (completed.name, completed.arguments) == ("Foo", {"size": 4, "part": True})
    with pytest.raises(
        ConfigurationError, match=r"Foo has no argument 'sise': did you mean size\?"
    ):
        registry.complete("Foo", {"sise": 4})
    with pytest.raises(
        PlaneAnomalibError, match=r"^Bar of foo-pack cannot be loaded from nowhere:C"
    ):
        registry.complete("Bar", {})


def test_arguments_import_neither_numpy_nor_anomalib() -> None:
    code = (
        "import sys; from plane_anomalib.core.registry import DATASETS, MODELS; "
        "[e.arguments() for r in (DATASETS, MODELS) for e in r.entries.values()]; "
        "print({'numpy', 'torch', 'anomalib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
