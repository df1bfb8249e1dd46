"""Every command and every piece of Python that the documentation shows is run or, where that would
take a network or hours, parsed; one that this file has no way for fails."""

from __future__ import annotations

import itertools
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import trimesh

from plane_anomalib.core.registry import DATASETS, MODELS
from plane_anomalib.formats.writer import write_points
from tests.support.documents import (
    PAGES,
    PROGRAMS,
    ROOT,
    blocks,
    command_line,
    commands,
    inline_commands,
    run_forked,
)
from tests.support.small_plane import save_small_backbone
from tests.support.trees import dent, folder_tree, real3d_tree, shapenet_tree, surface

QUICK_PLANE = "--model.num_points 256 --model.num_views 1 --model.max_steps 1"
QUICK_SHAPES = "--data ProceduralShapes --data.category vase0 --data.num_points 1000"
NOT_HERE = "--model.backbone (ulip2-xyz|point-mae)"
PARSED_ONLY = (
    r"plane-anomalib (serve|pretrain|weights (get|verify)|check ModelName)\b",
    r"plane-anomalib sweep (run|report) ",
    r"(plane-)?anomalib train (.* )?--model (Foo|ModelName)\b",
)
"""Tested as they are elsewhere: `test_serve`, `tests/unit/pretraining`, `test_weights`,
`test_plugin_door`, `test_sweep`."""


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with everything in it that the pages speak of, small."""
    folder, generator = tmp_path_factory.mktemp("user"), np.random.default_rng(0)
    for number in range(4):
        write_points(folder / "good_scans" / f"{number}.ply", surface(generator, 1_500))
    damaged, _ = dent(surface(generator, 1_500), generator)
    for name in ("suspicious.ply", "incoming/one.ply"):
        write_points(folder / name, damaged)
    folder_tree(folder / "my_part", generator)
    asn = shapenet_tree(folder / "datasets/Anomaly-ShapeNet", generator)
    r3d = real3d_tree(folder / "datasets/Real3D-AD", generator)
    for link, tree in (
        ("Anomaly-ShapeNet/dataset/pcd", asn),
        ("objects_asn", asn),
        ("Real3D-AD-PCD", r3d),
        ("objects_r3d", r3d),
    ):
        (folder / link).parent.mkdir(parents=True, exist_ok=True)
        (folder / link).symlink_to(tree)
    shutil.copytree(asn, folder / "made")
    (folder / "meshes").mkdir()
    trimesh.creation.icosphere(3).export(folder / "meshes/ball.stl")
    save_small_backbone(folder / "my_encoder.safetensors")
    (folder / "configs").symlink_to(ROOT / "configs")
    for words in (
        "train good_scans/ --out bracket",
        "predict bracket incoming/ --out answers",
        "train --model TemplateResidual --data PointCloudFolder --data.root my_part",
    ):
        code, printed = run_forked(command_line(shlex.split(words)), folder, {}, 120)
        assert code == 0, printed
    checkpoint = next((folder / "results").rglob("model.ckpt"))
    shutil.copy(checkpoint, folder / "model.ckpt")
    shutil.rmtree(folder / "results")
    return folder


def quick(command: str) -> str:
    """The command with less to do."""
    if re.search("train --model (Plane|configs/models/plane)", command):
        command += f" {QUICK_PLANE}"
        if "my_encoder" in command:
            command += " --model.layers [1,3]"
    if " train --model " in command:
        if "--data " not in command:
            command += f" {QUICK_SHAPES}"
        command += " --model.visualizer false --data.val_variants 1"
        for data, category in (("AnomalyShapeNet", "bowl0"), ("Real3DAD", "duck")):
            if f"--data {data}" in command:
                command += f" --data.category {category}"
    if "data make" in command:
        command += " --points 1000 --template-points 1000 --good 1 --per-defect 1 --resolution 64"
    return command


@contextmanager
def without(sandbox: Path, names: list[str]) -> Iterator[None]:
    """Put aside what a command is to make, for the commands that need it."""
    places = [sandbox / name for name in names]
    there = [place for place in places if place.exists()]
    for place in there:
        place.rename(place.with_name(f"{place.name}.kept"))
    yield
    for place in there:
        shutil.rmtree(place, ignore_errors=True)
        place.with_name(f"{place.name}.kept").rename(place)


def is_parsed_only(command: str) -> bool:
    return any(re.match(pattern, command) for pattern in PARSED_ONLY)


def parse(command: str) -> None:
    """Ask the commands' own parser."""
    from plane_anomalib.cli import commands as ours

    words = shlex.split(command)[1:]
    assert ours.is_ours(words) or words[0] in {"train", "test", "predict", "export"}, command
    if ours.is_ours(words):
        ours.parse(words)


@pytest.mark.slow
@pytest.mark.parametrize(("page", "command"), commands())
def test_a_command_does_what_the_page_says(page: str, command: str, sandbox: Path) -> None:
    program, *_ = shlex.split(command)
    assert program in PROGRAMS, f"{page}: no way to run {command}"
    if program in {"make", "pip"}:
        check_installation(command)
        return
    if is_parsed_only(command):
        parse(command)
        return
    with without(sandbox, re.findall(r"--out (\S+)", command)):
        code, printed = run_forked(command_line(shlex.split(quick(command))[1:]), sandbox, {}, 200)
    if re.search(NOT_HERE, command):
        assert code == 1, printed
        assert "plane-anomalib weights get" in printed
    else:
        allowed = {0, 3} if "--fail-on" in command else {0}
        assert code in allowed, f"{page}: {command}\n{printed}"


def check_installation(command: str) -> None:
    words = shlex.split(command)
    if words[0] == "make":
        assert subprocess.run(["make", "-n", words[1]], cwd=ROOT, check=False).returncode == 0
        return
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extra in re.findall(r"plane-anomalib\[(\w+)\]", command):
        assert extra in extras["optional-dependencies"]


@pytest.mark.parametrize(("page", "command"), inline_commands())
def test_a_command_in_running_text_is_one_that_exists(page: str, command: str) -> None:
    program, *words = shlex.split(command)
    if program in {"make", "pip"}:
        check_installation(command)
        return
    from plane_anomalib.cli import commands as ours

    known = {*ours.COMMANDS, "--version", "train", "test", "predict", "export", "fit", "validate"}
    assert words[0] in known, f"{page}: {command}"
    models = [word for flag, word in itertools.pairwise(words) if flag == "--model"]
    assert set(models) <= {*MODELS.names, "Foo"}, f"{page}: {command}"
    data = [word for flag, word in itertools.pairwise(words) if flag == "--data"]
    assert set(data) <= {*DATASETS.names}, f"{page}: {command}"


@pytest.mark.slow
@pytest.mark.parametrize(
    "block", [b for b in blocks() if b.language == "python"], ids=lambda block: block.page
)
def test_python_on_the_pages_runs(block: object, sandbox: Path) -> None:
    code, printed = run_forked(_executed(getattr(block, "text")), sandbox, {}, 120)  # noqa: B009
    assert code == 0, printed


def _executed(text: str) -> Callable[[], object]:
    def call() -> None:
        dented, _ = dent(surface(np.random.default_rng(1), 1_500), np.random.default_rng(2))
        scans = [surface(np.random.default_rng(seed), 1_500) for seed in range(3)]
        names = {"points": dented, "scan": dented, "templates": scans, "np": np}
        exec(text, names)  # noqa: S102

    return call


def test_the_pages_have_commands_and_python() -> None:
    assert len(commands()) > 40
    assert len([block for block in blocks() if block.language == "python"]) > 1


def test_links_between_the_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_documentation_is_at_most_six_pages() -> None:
    """For users; beside them is what is for those who carry on, or write against the package."""
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"architecture.md", "api.md"}
    assert 1 <= len(pages) <= 6
