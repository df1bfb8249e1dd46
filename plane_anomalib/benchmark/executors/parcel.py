"""A job's folder as bytes, for a worker that does not see the folder of results."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from plane_anomalib.benchmark.schema import RESULT_FILE, JobResult, read_result
from plane_anomalib.core.files import replaced


def pack(home: Path) -> bytes:
    """Everything in a job's folder, without links: what they lead to stays behind.

    Args:
        home: The folder.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(home.rglob("*")):
            relative = file.relative_to(home)
            above = [home / parent for parent in relative.parents]
            if file.is_file() and not any(part.is_symlink() for part in (file, *above[:-1])):
                archive.write(file, relative.as_posix())
    return buffer.getvalue()


def unpack(parcel: bytes, home: Path) -> JobResult:
    """Write a packed folder; its result, by which others know that it is whole, comes last.

    Args:
        parcel: From `pack`.
        home: Where to: the job's folder, empty and claimed.

    Returns:
        The result in it.

    Raises:
        ResultsError: There is no result, or it is damaged or of another schema version.
    """
    with zipfile.ZipFile(io.BytesIO(parcel)) as archive:
        # `extract` takes drives, roots and `..` out of names.
        names = archive.namelist()
        for name in names:
            if name != RESULT_FILE:
                archive.extract(name, home)
        if RESULT_FILE in names:
            with replaced(home / RESULT_FILE) as temporary:
                temporary.write_bytes(archive.read(RESULT_FILE))
    return read_result(home / RESULT_FILE)
