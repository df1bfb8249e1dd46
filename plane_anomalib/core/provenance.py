"""Where a number comes from: software, machine, configuration, data and weights, as hashes."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plane_anomalib.core.cores import usable_cores
from plane_anomalib.core.results import Component, Hardware, Versions
from plane_anomalib.core.typed_data import strict_json, to_plain
from plane_anomalib.core.version import __version__

if TYPE_CHECKING:
    import torch

UNKNOWN = "unknown"
# Where the data lies and how fast it is read do not change what is computed.
NOT_CONFIGURATION = frozenset({"root", "num_workers"})
_WHOLE_FILE_BYTES = 256 * 1024
_PART_BYTES = 64 * 1024


def software_versions() -> Versions:
    """The versions of this package, anomalib, torch and Python."""
    return Versions(
        plane_anomalib=__version__,
        git_commit=git_commit(),
        anomalib=_distribution_version("anomalib"),
        torch=_torch_version(),
        python=platform.python_version(),
    )


def _torch_version() -> str:
    """As torch says it of itself, such as 2.9.0+cpu, without importing it."""
    spec = find_spec("torch")
    text = Path(spec.origin).with_name("version.py") if spec and spec.origin else None
    if text is not None and text.is_file():
        said = re.search(r"^__version__ = '([^']+)'", text.read_text("utf-8"), re.MULTILINE)
        if said:
            return said[1]
    return _distribution_version("torch")


def git_commit(package: Path | None = None) -> str:
    """Commit of the checkout that holds this package, `+dirty` when tracked files are edited.

    A virtual environment may lie inside some other repository, so the package's own file must be
    tracked there; otherwise the answer is "unknown", as it is without git.

    Args:
        package: The package's folder; this one by default.
    """
    folder = package or Path(__file__).resolve().parents[1]
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return UNKNOWN
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return UNKNOWN
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return commit + ("+dirty" if changes else "")


def hardware(device: torch.device | str = "cpu") -> Hardware:
    """The machine and, when `device` is a GPU, its name."""
    gpu = None
    if str(device) != "cpu":
        import torch

        if torch.device(device).type == "cuda":
            gpu = torch.cuda.get_device_name(torch.device(device))
    try:
        ram = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        ram = 0
    return Hardware(cpu=_cpu_model(), cores=usable_cores(), ram_bytes=ram, gpu=gpu)


def peak_memory_bytes() -> int:
    """Largest resident memory of this process so far (0 where the system does not say)."""
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024


def config_hash(model: Component, data: Component, seed: int | None) -> str:
    """SHA-256 of the canonical JSON of model, data and seed.

    Left out are the arguments in `NOT_CONFIGURATION`, whose values differ between machines
    without changing a result.
    """

    def relevant(component: Component) -> dict[str, Any]:
        kept = {k: v for k, v in component.arguments.items() if k not in NOT_CONFIGURATION}
        return {"name": component.name, "arguments": kept}

    text = strict_json({"model": relevant(model), "data": relevant(data), "seed": seed})
    return hashlib.sha256(text.encode()).hexdigest()


def data_hash(files: Iterable[Path], root: Path) -> str | None:
    """SHA-256 over the dataset's files, independent of where the root lies and of file times.

    For each file, sorted by its path relative to the root: the path, the size in bytes and the
    SHA-256 of its content. Of a file above 256 KiB, only its first, middle and last 64 KiB are
    hashed, which notices another scan, another version or a truncated copy, but not a change of a
    few bytes elsewhere.

    Args:
        files: Clouds and ground truth, in any order; repeats count once.
        root: The dataset's root.

    Returns:
        The hash; None when there is no file, or one of them cannot be read.
    """
    total = hashlib.sha256()
    named = {relative_path(file, root): file for file in files}
    try:
        for name in sorted(named):
            size, content = named[name].stat().st_size, _content_hash(named[name])
            total.update(f"{name}\0{size}\0{content}\n".encode())
    except OSError:
        return None
    return total.hexdigest() if named else None


def weights_hash(state: Mapping[str, Any]) -> str:
    """SHA-256 over a state dict: sorted names, dtypes, shapes and bytes of its tensors.

    Arrays count as the tensors that they are the values of.
    """
    import numpy as np

    total = hashlib.sha256()
    for name in sorted(state):
        value = state[name]
        if isinstance(value, np.ndarray):
            total.update(f"{name}\0torch.{value.dtype}\0{value.shape}\n".encode())
            total.update(np.ascontiguousarray(value).tobytes())
            continue
        if not hasattr(value, "detach"):
            total.update(f"{name}\0{strict_json(value)}\n".encode())
            continue
        import torch

        tensor = value.detach().cpu().contiguous()
        total.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\n".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def relative_path(path: str | Path, root: str | Path) -> str:
    """A path as POSIX text relative to the root, or only its name when it lies elsewhere."""
    file = Path(path)
    try:
        return file.resolve().relative_to(Path(root).resolve()).as_posix()
    except ValueError:
        return file.name


def component(instance: object, arguments: Mapping[str, Any]) -> Component:
    """A model or datamodule as plain data, without the entries Lightning's parser adds."""
    plain = {key: value for key, value in arguments.items() if not key.startswith("_")}
    return Component(name=type(instance).__name__, arguments=to_plain(plain))


def _content_hash(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        if size <= _WHOLE_FILE_BYTES:
            digest.update(stream.read())
        else:
            for start in (0, (size - _PART_BYTES) // 2, size - _PART_BYTES):
                stream.seek(start)
                digest.update(stream.read(_PART_BYTES))
    return digest.hexdigest()


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or UNKNOWN


def _distribution_version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return UNKNOWN


def _git(folder: Path, *arguments: str) -> str | None:
    """Output of a git command, None when it fails or git is missing."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
