"""A folder of results that several processes may fill, and any of them may die in.

<folder>/<job id>/result.json    the result; a folder without it is unfinished
<folder>/<job id>/order.json     what was to be run
<folder>/<job id>/log.txt        what the job printed
<folder>/.claims/<job id>.lock   held by the process that runs the job, while it lives
<folder>/.data/                  what was found of the datasets
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from plane_anomalib.benchmark.identity import job_id
from plane_anomalib.benchmark.schema import DONE, RESULT_FILE, JobResult, read_result
from plane_anomalib.core.errors import PlaneAnomalibError
from plane_anomalib.core.results import ResultsError

logger = logging.getLogger(__name__)

CACHE_FOLDER = ".data"
_CLAIMS = ".claims"


class StoreError(PlaneAnomalibError):
    """The folder of results cannot be used."""


class Store:
    """The results of jobs by their id.

    Args:
        folder: The folder of results; it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def cache(self) -> Path:
        """Where what was found of datasets is remembered."""
        return self.folder / CACHE_FOLDER

    def home(self, job_id: str) -> Path:
        """The folder of a job."""
        return self.folder / job_id

    def result(self, job_id: str) -> JobResult | None:
        """A job's result; None if it has none yet, or one that cannot be used.

        A result that another version wrote, or that was damaged, is as good as none: the job is
        run again.
        """
        file = self.home(job_id) / RESULT_FILE
        if not file.is_file():
            return None
        try:
            return read_result(file)
        except ResultsError as error:
            logger.warning("%s", error)
            return None

    def results(self, job_ids: Iterable[str]) -> dict[str, JobResult]:
        """The results there are of some jobs."""
        found = {each: self.result(each) for each in job_ids}
        return {each: result for each, result in found.items() if result is not None}

    def is_claimed(self, job_id: str) -> bool:
        """Whether a living process, perhaps this one, is at a job."""
        if not self._lock_file(job_id).exists():
            return False
        with self.claim(job_id) as claimed:
            return not claimed

    @contextmanager
    def claim(self, job_id: str) -> Iterator[bool]:
        """Keep every other process, and thread, from a job for as long as the block lasts.

        The system releases the claim of a process that dies, however it dies.

        Yields:
            Whether it was free.

        Raises:
            StoreError: The folder cannot be written to.
        """
        file = self._lock_file(job_id)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(file, blocking=False, thread_local=False)
            lock.acquire()
        except Timeout:
            yield False
            return
        except OSError as error:
            raise StoreError(
                f"{self.folder} cannot be written to ({error.strerror}): give another folder."
            ) from error
        try:
            yield True
        finally:
            lock.release()

    def clean(self, job_id: str) -> Path:
        """Begin a claimed job with an empty folder: what is there is half of a dead process's."""
        home = self.home(job_id)
        remove(home)
        for doomed in self.folder.glob(f".{job_id}-*"):
            shutil.rmtree(doomed, ignore_errors=True)
        home.mkdir(parents=True)
        return home

    def _lock_file(self, job_id: str) -> Path:
        return self.folder / _CLAIMS / f"{job_id}.lock"


def merge(sources: Sequence[Path], target: Path) -> tuple[list[str], list[str]]:
    """Copy the results of other folders into one.

    A result that is there already stays, unless it is a failure and the other is not.

    Args:
        sources: Folders of results.
        target: Where to.

    Returns:
        The ids that were copied, and a sentence for each result that is damaged and was left out.

    Raises:
        StoreError: A source is no folder.
    """
    store, copied, damaged = Store(target), [], []
    for source in sources:
        if not source.is_dir():
            raise StoreError(f"{source} is no folder of results: name one that a sweep wrote.")
        for file in sorted(source.glob(f"*/{RESULT_FILE}")):
            home = file.parent
            try:
                result = read_result(file)
                _check(result, home)
            except ResultsError as error:
                damaged.append(str(error))
                continue
            before = store.result(home.name)
            if before is None or (before.status != DONE and result.status == DONE):
                _copy(home, store.home(home.name))
                copied.append(home.name)
    return copied, damaged


def remove(folder: Path) -> None:
    """Take a folder out of sight in one step, then delete it."""
    if not folder.exists():
        return
    doomed = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    folder.rename(doomed)
    with suppress(OSError):
        shutil.rmtree(doomed)


def _check(result: JobResult, home: Path) -> None:
    """Refuse a result that is not the one its folder says, or that lacks its files."""
    if not result.job_id == home.name == job_id(result.identity):
        raise ResultsError(
            f"{home}: the result is of another job, {result.job_id}; delete the folder to run its "
            "own again."
        )
    for cloud in result.clouds:
        if Path(cloud.file).name != cloud.file or not (home / cloud.file).is_file():
            raise ResultsError(
                f"{home}: {cloud.file}, which belongs to the result, is missing; copy it there, or "
                "delete the folder to run the job again."
            )


def _copy(home: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}-{secrets.token_hex(4)}")
    try:
        # Links are not followed: they may lead out of the folder.
        shutil.copytree(home, beside, symlinks=True)
        remove(target)
        os.rename(beside, target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
