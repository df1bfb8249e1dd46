"""How long jobs will take: by what jobs like them took here, else by what they took elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean

from plane_anomalib.benchmark.schema import DONE, Job, JobResult

START_SECONDS = 9.0
"""Imports of a process, on two cores."""
PER_CLOUD_SECONDS = {
    "BTF": 1.0,
    "PatchCore3D": 0.8,
    "M3DM": 0.4,
    "Reg3DAD": 0.9,
    "TemplateResidual": 0.4,
    "Plane": 0.5,
}
"""Of a test cloud of 12,000 to 20,000 points on two cores, fitting included roughly; measured:
`benchmarks/results/comparison.csv`."""
PER_STEP_SECONDS = {"Plane": 0.6}
"""Of a training step on two cores: 2,500 take 24 minutes, says the model's page."""
MEASURED_STEP_SECONDS = {"Plane": 2.0}
"""Of a step with `template_context`, its specimens' comparison included: 250 take 10 minutes."""
USUAL_STEPS = {True: 250, False: 1500}
"""Of a trained model whose `max_steps` is left to itself, with and without `template_context`."""
OTHERS_SECONDS = 60.0
"""Of a model of which nothing is known, per category."""


class Estimates:
    """Seconds of jobs.

    Args:
        results: Earlier results; each new one makes the estimates better.
    """

    def __init__(self, results: Iterable[JobResult] = ()) -> None:
        self._seconds: dict[tuple[str, str], list[float]] = {}
        for result in results:
            self.add(result)

    def add(self, result: JobResult) -> None:
        """Learn from a job that is done."""
        if result.status == DONE:
            share = result.timing.total_seconds / len(result.job.categories)
            for key in _keys(result.job):
                self._seconds.setdefault(key, []).append(share)

    def seconds(self, job: Job, clouds: int = 0) -> float:
        """Seconds that a job will take alone on the machine.

        Args:
            job: The job.
            clouds: Number of its test clouds; 0 if not known.
        """
        for key in _keys(job):
            if key in self._seconds:
                return fmean(self._seconds[key]) * len(job.categories)
        per_cloud = PER_CLOUD_SECONDS.get(job.model.name)
        if per_cloud is None:
            return OTHERS_SECONDS * len(job.categories)
        measured = bool(job.model.arguments.get("template_context", True))
        steps = job.model.arguments.get("max_steps")
        steps = USUAL_STEPS[measured] if steps is None else max(steps, 0)
        per_step = (MEASURED_STEP_SECONDS if measured else PER_STEP_SECONDS).get(job.model.name, 0)
        training = per_step * steps
        return START_SECONDS + training + per_cloud * (clouds or 12 * len(job.categories))


def _keys(job: Job) -> tuple[tuple[str, str], ...]:
    """What jobs are alike by, the closest first: the row on this data, the row on other data."""
    return (job.row, job.column), (job.row, "")
