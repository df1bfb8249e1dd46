"""What is to be learnt: what the user decides, and what the scans decide, each with its reason."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.core.registry import MODELS, PARTS
from plane_anomalib.core.units import in_words, unit_named
from plane_anomalib.formats.raw_cloud import ReadOptions

if TYPE_CHECKING:
    from plane_anomalib.geometry.points import FloatArray
    from plane_anomalib.inspection.scans import GoodScan
    from plane_anomalib.models.components.method import Method

DEFAULT_MODEL = "TemplateResidual"


@dataclass(frozen=True)
class TrainOptions:
    """What the user decides; `None` leaves it to us.

    Attributes:
        model: Registered name.
        settings: Arguments of the model.
        name: What the part is called.
        one_sided: Whether scans to be judged show one side of parts whose good scans are whole.
        common_pose: Whether all scans lie the same way.
        seed: Of everything drawn.
        units: Unit of length of the scans; files that declare another are converted.
        remove_table: Whether to take out the plane that parts stand on; `None` takes it out where
            it is sure to be one.
        anyway: Make a detector that calls many good scans anomalous, too, and use scans that are
            not alike.
        read: What the files do not say of themselves: columns, the pitch of height maps.

    Raises:
        ConfigurationError: A name is empty, the seed is negative, or there is no such unit.

    Examples:
        >>> options = plane_anomalib.TrainOptions(model="plane", settings={"max_steps": 5})
        >>> options.component()[0]
        'Plane'
    """

    model: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None
    one_sided: bool | None = None
    common_pose: bool | None = None
    seed: int = 0
    units: str | None = None
    remove_table: bool | None = None
    anyway: bool = False
    read: ReadOptions = field(default_factory=ReadOptions)

    def __post_init__(self) -> None:
        if self.name is not None and not self.name.strip():
            raise ConfigurationError("--name is empty: say what the part is called, or leave it.")
        if self.seed < 0:
            raise ConfigurationError(f"--seed must be 0 or more, not {self.seed}.")
        if self.units is not None:
            object.__setattr__(self, "units", unit_named(self.units))

    def component(self) -> tuple[str, dict[str, Any]]:
        """The registered name of the model and all of its arguments.

        Raises:
            ConfigurationError: There is no such model or argument; the message says which may
                have been meant.
        """
        for name in self.settings:
            if name in PARTS:
                raise ConfigurationError(f"{name} is a part of anomalib and cannot be set here.")
        whole = MODELS.complete(self.model or DEFAULT_MODEL, self.settings)
        arguments = {k: v for k, v in whole.arguments.items() if k not in PARTS}
        if "seed" in arguments and "seed" not in self.settings:
            arguments["seed"] = self.seed
        return whole.name, arguments


_LOOKED_AT = 8
"""Scans whose sides are looked at: a quarter of a second each."""
_NO_NAME = frozenset({"good", "normal", "positive", "train", "template", "templates", "scans"})


@dataclass(frozen=True)
class TrainingPlan:
    """What is to be learnt, see `DetectorCard`."""

    model: str
    arguments: dict[str, Any]
    category: str
    units: str
    common_pose: bool
    one_sided: bool
    seed: int
    data_hash: str
    choices: list[str]
    without_table: bool = False
    anyway: bool = False
    read: ReadOptions = field(default_factory=ReadOptions)

    def make(self) -> Method:
        """Make the method, not fitted or trained.

        Raises:
            ConfigurationError: An argument has a value that cannot work.
        """
        from plane_anomalib.models.components.method import create_method

        try:
            return create_method(self.model, self.arguments)
        except TypeError as error:
            raise ConfigurationError(f"{self.model} cannot be made: {error}.") from error


def decide(
    scans: Sequence[GoodScan],
    options: TrainOptions,
    judged: Sequence[FloatArray] = (),
    decided: Sequence[str] = (),
) -> TrainingPlan:
    """Decide what the user has not.

    Args:
        scans: Good scans.
        options: What the user has decided.
        judged: Clouds that will be judged, where they are at hand.
        decided: What was decided when the scans were read, a sentence each.

    Returns:
        The plan, with a sentence for each choice.
    """
    model, arguments = options.component()
    choices = list(decided)
    why = "as asked for." if options.model else "it needs no training and learns from few scans."
    choices.append(f"Model {model}: {why}")
    called, units = _category(scans, options.name, choices), _units(scans, options, choices)
    one_sided = _one_sided(scans, options, judged, choices)
    if "sides" in arguments and "sides" not in options.settings:
        arguments["sides"] = "one" if one_sided else "whole"
    common_pose = _common_pose(scans, options, judged, one_sided, choices)
    return TrainingPlan(
        model,
        arguments,
        called,
        units,
        common_pose,
        one_sided,
        options.seed,
        _hash_of(scans),
        choices,
        any(scan.without_table for scan in scans),
        options.anyway,
        read=options.read,
    )


def _hash_of(scans: Sequence[GoodScan]) -> str:
    digests = "\n".join(sorted(scan.digest for scan in scans))
    return hashlib.sha256(digests.encode()).hexdigest()


def _category(scans: Sequence[GoodScan], name: str | None, choices: list[str]) -> str:
    if name is not None:
        choices.append(f"The part is called {name!r}: as asked for.")
        return name.strip()
    folder = Path(scans[0].card.path).absolute().parent
    if folder.name.lower() in _NO_NAME or folder.name.lower().startswith("good"):
        folder = folder.parent
    called = folder.name or "part"
    choices.append(f"The part is called {called!r}, after its folder (--name says otherwise).")
    return called


def _units(scans: Sequence[GoodScan], options: TrainOptions, choices: list[str]) -> str:
    units = scans[0].units
    if not units:
        choices.append(
            "Unit of length: nobody states it, so lengths are given in the scans' own units "
            "(--units mm states it)."
        )
    else:
        who = "as the files say" if options.units is None else "as asked for"
        choices.append(f"Unit of length: {in_words(units)}, {who}.")
    return units


def _common_pose(
    scans: Sequence[GoodScan],
    options: TrainOptions,
    judged: Sequence[FloatArray],
    one_sided: bool,
    choices: list[str],
) -> bool:
    from plane_anomalib.inspection.scans import lie_alike

    if options.common_pose is not None:
        lie = "lie the same way" if options.common_pose else "lie in any pose"
        choices.append(f"Pose: scans {lie}: as asked for.")
        return options.common_pose
    good = [scan.points for scan in scans]
    others = list(judged[:_LOOKED_AT])
    if len(good) + len(others) == 1:
        choices.append(
            "Pose: one scan does not tell whether a fixture holds the parts, so any pose is "
            "expected (--common-pose yes if one does)."
        )
        return False
    if not lie_alike(good, seed=options.seed):
        choices.append("Pose: the good scans lie in different poses, so others may lie in any.")
        return False
    if others:
        alike = lie_alike([good[0], *others], seed=options.seed)
        says = "as the good ones do" if alike else "otherwise than the good ones"
        choices.append(f"Pose: the scans to check lie {says}.")
        return alike
    if one_sided:
        choices.append(
            "Pose: the good scans overlap as they lie, but one side is usually scanned in another "
            "pose, so any is expected (--common-pose yes if a fixture holds the parts)."
        )
        return False
    choices.append("Pose: the good scans overlap as they lie, so others are expected to, too.")
    return True


def _one_sided(
    scans: Sequence[GoodScan],
    options: TrainOptions,
    judged: Sequence[FloatArray],
    choices: list[str],
) -> bool:
    from plane_anomalib.geometry.sampling import is_one_sided

    good = [is_one_sided(scan.points) for scan in scans[:_LOOKED_AT]]
    shown = "Sides: the good scans show the whole part"
    if any(good):
        shown = f"Sides: {sum(good)} of {len(good)} good scans show one side only"
        if not all(good):
            shown += " (leave them out if whole ones are enough)"
    if options.one_sided is not None:
        others = "one side of it" if options.one_sided else "as much"
        choices.append(f"{shown}; scans to be judged show {others}: as asked for.")
        return options.one_sided
    if all(good):
        choices.append(f"{shown}; scans to be judged must show that side.")
        return False
    if judged:
        one = any(is_one_sided(cloud) for cloud in judged[:_LOOKED_AT])
        choices.append(f"{shown}; the scans to check show {'one side' if one else 'it, too'}.")
        return one
    choices.append(
        f"{shown}; scans to be judged are expected to show as much (--one-sided yes if they show "
        "one side)."
    )
    return False
