"""`plane-anomalib serve` under load: several clients that post clouds as fast as they are answered.

    python benchmarks/serve_load.py [--clients 8] [--seconds 60] [--points 20000] [--out FILE]

Without `--run RUN`, TemplateResidual is fitted first, on four built-in shapes of as many points.
Each client sends the same few binary `.ply` files in turn, with a decision in return and no points.
Latency is the client's, from the first byte sent to the last received; memory is the most that the
server's process ever had, and that before the first cloud. One thread of the server scores, with
one core, unless OMP_NUM_THREADS says more.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
from output import write_or_print

from plane_anomalib.data.shapes import ProceduralShapes
from plane_anomalib.formats.writer import write_points

SHAPE = "vase0"
BUSY = 0.5
"""Load from which on something else is running."""
ADDRESS = re.compile(r"http://[\d.]+:\d+")


@dataclass
class Seen:
    """What the clients saw; appended to from their threads.

    Attributes:
        seconds: Of every answer with status 200.
        server: Seconds of it that the server says it read and scored.
        other: How many answers had another status, or failed otherwise.
    """

    seconds: list[float] = field(default_factory=list)
    server: list[float] = field(default_factory=list)
    other: Counter[str] = field(default_factory=Counter)


def shapes(folder: Path, points: int) -> ProceduralShapes:
    """Built-in shapes of one kind, made below a folder."""
    return ProceduralShapes(folder, category=SHAPE, num_points=points, val_variants=2)


def fit(folder: Path, points: int) -> Path:
    """Fit TemplateResidual and give its checkpoint."""
    from anomalib.engine import Engine

    from plane_anomalib.models.template_residual import TemplateResidual

    engine = Engine(accelerator="cpu", devices=1, logger=False, default_root_dir=folder / "run")
    model = TemplateResidual(visualizer=False)
    engine.fit(model, datamodule=shapes(folder / "shapes", points))
    return Path(engine.best_model_path)


def files(folder: Path, points: int) -> list[bytes]:
    """Test clouds as binary .ply."""
    data = shapes(folder / "shapes", points)
    data.prepare_data()
    data.setup()
    contents = []
    for index in range(min(6, len(data.test_data))):
        file = folder / f"{index}.ply"
        write_points(file, np.asarray(data.test_data[index].points))
        contents.append(file.read_bytes())
    return contents


@contextmanager
def serving(run: Path) -> Iterator[tuple[str, int]]:
    """The real command on a free port: its address and process id."""
    program = Path(sys.executable).with_name("plane-anomalib")
    command = [str(program), "serve", str(run), "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None  # noqa: S101
        address = ADDRESS.match(process.stdout.readline())
        if address is None:
            raise SystemExit("The server did not come up; run plane-anomalib serve to see why.")
        try:
            yield address[0], process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            if process.wait(60) != 0:
                raise SystemExit(f"The server ended with code {process.returncode}.")


def ask(address: str, contents: list[bytes], first: int, until: float, seen: Seen) -> None:
    """One client."""
    with httpx.Client(base_url=address, timeout=120) as client:
        turn = first
        while time.perf_counter() < until:
            content = contents[turn % len(contents)]
            turn += 1
            start = time.perf_counter()
            try:
                response = client.post("/inspect", files={"file": ("scan.ply", content)})
            except httpx.HTTPError as error:
                seen.other[type(error).__name__] += 1
                continue
            if response.status_code == 200:
                seen.seconds.append(time.perf_counter() - start)
                seen.server.append(response.json()["seconds"])
            else:
                seen.other[str(response.status_code)] += 1


def watch_health(address: str, until: float, seen: Seen) -> None:
    """Ask for health every half second."""
    with httpx.Client(base_url=address, timeout=120) as client:
        while time.perf_counter() < until:
            start = time.perf_counter()
            status = client.get("/health").status_code
            if status == 200:
                seen.seconds.append(time.perf_counter() - start)
            else:
                seen.other[str(status)] += 1
            time.sleep(0.5)


def megabytes(process: int, name: str) -> float:
    """A field of a Linux process's status, such as VmHWM, the most memory it ever had."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.findall(rf"{name}:\s+(\d+) kB", status)[0]) / 1000


def load(address: str, contents: list[bytes], clients: int, seconds: float) -> tuple[Seen, Seen]:
    """Let the clients ask for a time; what they saw, and what asking for health saw beside."""
    seen, health = Seen(), Seen()
    until = time.perf_counter() + seconds
    threads = [
        threading.Thread(target=ask, args=(address, contents, number, until, seen))
        for number in range(clients)
    ]
    threads.append(threading.Thread(target=watch_health, args=(address, until, health)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen, health


def main() -> None:
    """Fit, serve, ask, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--points", type=int, default=20_000)
    parser.add_argument("--run", type=Path, help="a detector; fitted on shapes by default")
    parser.add_argument("--out", type=Path, help="write the table here instead of printing it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        contents = files(folder, arguments.points)
        run = arguments.run or fit(folder, arguments.points)
        with serving(run) as (address, process):
            idle = megabytes(process, "VmRSS")
            before = os.getloadavg()[0]
            httpx.post(f"{address}/inspect", files={"file": ("a.ply", contents[0])}, timeout=120)
            start = time.perf_counter()
            seen, health = load(address, contents, arguments.clients, arguments.seconds)
            elapsed = time.perf_counter() - start
            peak = megabytes(process, "VmHWM")
    memory = f"Memory of the server: {idle:,.0f} MB before the first cloud, {peak:,.0f} MB at most."
    text = report(arguments, seen, health, elapsed, before)
    write_or_print(f"{text}\n{memory}\n", arguments.out)


def report(
    arguments: argparse.Namespace, seen: Seen, health: Seen, elapsed: float, before: float
) -> str:
    """The figures as Markdown."""
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    model = "a detector at hand" if arguments.run else "TemplateResidual on built-in shapes"
    rows = []
    for name, one in (("POST /inspect", seen), ("GET /health, meanwhile", health)):
        p50, p95, p99 = np.percentile(one.seconds, [50, 95, 99])
        errors = ", ".join(f"{n} x {what}" for what, n in sorted(one.other.items())) or "0"
        rows.append(
            f"| {name} | {len(one.seconds)} | {len(one.seconds) / elapsed:.2f} | {p50:.3f} | "
            f"{p95:.3f} | {p99:.3f} | {errors} |"
        )
    return (
        f"`plane-anomalib serve` with {model}: {arguments.clients} clients, clouds of "
        f"{arguments.points:,} points, {elapsed:.0f} s; {platform.machine()}, {os.cpu_count()} "
        f"cores, OMP_NUM_THREADS={threads}, load before {before:.2f}"
        f"{', beside other work' if before > BUSY else ''}.\n\n"
        "| request | answers | per second | p50 s | p95 s | p99 s | errors |\n"
        "|---|---:|---:|---:|---:|---:|---:|\n" + "\n".join(rows) + "\n\n"
        f"Reading and scoring takes {np.median(seen.server):.3f} s of it (median); the rest is "
        "waiting for the other clients' clouds.\n"
    )


if __name__ == "__main__":
    main()
