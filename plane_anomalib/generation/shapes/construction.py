"""What families of solids are made of: short words for solids and shared parts, and captions.

Heights are along z.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from plane_anomalib.generation.shapes.combinations import Placed, Repeat, Union, Warped
from plane_anomalib.generation.shapes.outlines import circle, flat_curve, regular, spline, steady
from plane_anomalib.generation.shapes.solids import Array, Box, Ellipsoid, Solid, unit
from plane_anomalib.generation.shapes.sweeps import Extrusion, Revolution, Tube

Triple = Sequence[float] | Array
_ORIGIN = (0.0, 0.0, 0.0)


def turn(axis: str, degrees: float) -> Array:
    """Rotation matrix `(3, 3)` about the axis "x", "y" or "z"."""
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    angle = np.deg2rad(degrees)
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = np.cos(angle)
    matrix[i, j], matrix[j, i] = -np.sin(angle), np.sin(angle)
    return matrix


def towards(direction: ArrayLike) -> Array:
    """A rotation matrix that takes the z axis to the direction `(3,)`."""
    z = unit(direction)
    helper = np.eye(3)[int(np.argmin(np.abs(z)))]
    x = unit(np.cross(helper, z))
    return np.stack([x, np.cross(z, x), z], axis=1)


def around(count: int, start: float = 0.0) -> Array:
    """Rotation matrices `(count, 3, 3)` evenly about z; start in degrees."""
    return np.stack([turn("z", start + 360 * i / count) for i in range(count)])


def put(
    solid: Solid, at: Triple = _ORIGIN, rotation: Array | None = None, scale: float = 1.0
) -> Solid:
    """The solid turned, scaled and moved."""
    return Placed(solid, rotation, at, scale)


def join(*parts: Solid) -> Solid:
    """All parts as one solid."""
    return Union(parts) if len(parts) > 1 else parts[0]


def mirror_pair(make: Callable[[float], Solid]) -> Solid:
    """Two solids: one made for each side, -1 and 1."""
    return Union([make(-1.0), make(1.0)])


def copies(solid: Solid, places: ArrayLike) -> Solid:
    """The solid at each of the places `(K, 3)`; copies must not touch."""
    return Repeat(solid, places)


def ring_of(solid: Solid, count: int, start: float = 0.0) -> Solid:
    """Copies evenly turned about z; copies must not touch."""
    return Repeat(solid, np.zeros((count, 3)), around(count, start))


def box(size: Triple, at: Triple = _ORIGIN, rounding: float = 0.0) -> Solid:
    """A box around a center."""
    return Placed(Box(size, rounding), None, at)


def ellipsoid(axes: Triple, at: Triple = _ORIGIN, rotation: Array | None = None) -> Solid:
    """An ellipsoid with half axes."""
    return Placed(Ellipsoid(axes), rotation, at)


def ball(radius: float, at: Triple = _ORIGIN) -> Solid:
    """A ball around a center."""
    return Placed(Ellipsoid((radius, radius, radius)), None, at)


def lathe(profile: ArrayLike) -> Revolution:
    """An open profile of (radius, height), closed along the axis and turned around it."""
    curve = np.asarray(profile, dtype=np.float64)
    ends = [np.array([[0.0, curve[0, 1]]]), np.array([[0.0, curve[-1, 1]]])]
    parts = [ends[0]] * bool(curve[0, 0] > 0) + [curve] + [ends[1]] * bool(curve[-1, 0] > 0)
    return Revolution(np.concatenate(parts))


def cylinder(
    radius: float, height: float, at: Triple = _ORIGIN, axis: str = "z", top: float | None = None
) -> Solid:
    """A cylinder around a center, or a cone frustum with another top radius."""
    upper = radius if top is None else top
    solid = lathe([(radius, -height / 2), (upper, height / 2)])
    rotation = {"z": None, "x": turn("y", 90), "y": turn("x", -90)}[axis]
    return Placed(solid, rotation, at)


def rod(start: Triple, end: Triple, radius: float, last: float | None = None) -> Solid:
    """A round bar from one point to another, tapered if a last radius is given."""
    first, step = np.asarray(start, dtype=np.float64), np.subtract(end, start)
    solid = lathe([(radius, 0.0), (radius if last is None else last, float(np.linalg.norm(step)))])
    return Placed(solid, towards(step), first)


def torus(major: float, minor: float, at: Triple = _ORIGIN, rotation: Array | None = None) -> Solid:
    """A ring around z."""
    return Placed(Revolution(circle(minor, (major, 0.0))), rotation, at)


def pipe(outer: float, inner: float, low: float, high: float) -> Revolution:
    """A hollow cylinder around z."""
    return Revolution([(inner, low), (outer, low), (outer, high), (inner, high)])


def slab(
    outline: ArrayLike, thickness: float, at: Triple = _ORIGIN, holes: Sequence[ArrayLike] = ()
) -> Solid:
    """A flat plate in x and y."""
    return Placed(Extrusion(outline, thickness, holes), None, at)


def standing(
    outline: ArrayLike, thickness: float, at: Triple = _ORIGIN, holes: Sequence[ArrayLike] = ()
) -> Solid:
    """A plate whose outline is drawn in x and z, thick along y."""
    return Placed(Extrusion(outline, thickness, holes), turn("x", 90), at)


def turned_body(heights: ArrayLike, radii: ArrayLike) -> Revolution:
    """A full body with a smooth outline through (height, radius)."""
    z, r = steady(heights, radii)
    return lathe(np.stack([r, z], axis=1))


def vessel(heights: ArrayLike, radii: ArrayLike, wall: float, floor: float = 0.0) -> Revolution:
    """An open vessel with a smooth outline through (height, radius).

    Args:
        heights: Increasing, from the bottom up.
        radii: Outer radii there.
        wall: Thickness of the wall.
        floor: Thickness of the bottom; as the wall by default.
    """
    z, r = steady(heights, radii, 48)
    slope = np.clip(np.gradient(r, z), -2.5, 2.5)
    bottom = z[0] + (floor or wall)
    inner = z > bottom
    inner_r = np.maximum(r - wall * np.sqrt(1 + slope**2), 0.15 * r)
    first = (float(np.interp(bottom, z, inner_r)), bottom)
    hollow = np.concatenate([[first], np.stack([inner_r[inner], z[inner]], axis=1)])[::-1]
    return lathe(np.concatenate([np.stack([r, z], axis=1), hollow]))


def lifted(
    solid: Solid, height: Callable[[Array, Array], Array], generator: np.random.Generator
) -> Solid:
    """A flat solid moved up by a height over x and y: a curved plate."""

    def forward(points: Array) -> Array:
        return points + _only_z(height(points[:, 0], points[:, 1]))

    def inverse(points: Array) -> Array:
        return points - _only_z(height(points[:, 0], points[:, 1]))

    return Warped(solid, forward, inverse, generator)


def twisted(solid: Solid, rate: float, generator: np.random.Generator) -> Solid:
    """A solid turned about z ever more with height, radians per unit."""
    return Warped(solid, lambda p: _spun(p, rate), lambda p: _spun(p, -rate), generator)


def rippled(solid: Solid, waves: int, depth: float, generator: np.random.Generator) -> Solid:
    """A solid whose distance from z swells and shrinks around it."""

    def factor(points: Array) -> Array:
        angle = np.arctan2(points[:, 1], points[:, 0])
        return np.stack([1 + depth * np.cos(waves * angle)] * 2 + [np.ones(len(points))], axis=1)

    return Warped(solid, lambda p: p * factor(p), lambda p: p / factor(p), generator)


def stretched(solid: Solid, factors: Triple, generator: np.random.Generator) -> Solid:
    """A solid scaled along the axes."""
    scale = np.asarray(factors, dtype=np.float64)
    return Warped(solid, lambda p: p * scale, lambda p: p / scale, generator)


def _only_z(height: Array) -> Array:
    return np.stack([np.zeros_like(height), np.zeros_like(height), height], axis=1)


def _spun(points: Array, rate: float) -> Array:
    cosine, sine = np.cos(rate * points[:, 2]), np.sin(rate * points[:, 2])
    x, y = points[:, 0], points[:, 1]
    return np.stack([cosine * x - sine * y, sine * x + cosine * y, points[:, 2]], axis=1)


def loop_handle(body: Revolution, low: float, high: float, reach: float, thick: float) -> Solid:
    """A loop in the x-z plane whose ends are sunk into the wall of the body."""
    middle, half = (low + high) / 2, (high - low) / 2
    first, last = body.reach(low), body.reach(high)
    out = max(first, last)
    path = [
        (first - 0.3 * thick, low),
        (out + 0.7 * reach, middle - 0.85 * half),
        (out + reach, middle),
        (out + 0.7 * reach, middle + 0.85 * half),
        (last - 0.3 * thick, high),
    ]
    return Tube(flat_curve(spline(path, 40)), thick * 1.3, thick)


def wall_words(wall: float) -> str:
    """What to say of the thickness of a wall, if anything."""
    return grade(wall, 0.03, "thin walls", 0.06, "thick walls")


def bore_ring(count: int, ring: float, radius: float, start: float = 0.0) -> list[Array]:
    """Outlines of holes evenly on a circle."""
    return [circle(radius, center, 24) for center in regular(count, ring, start)]


def smooth_body(x: list[float], tall: list[float], wide: list[float]) -> Tube:
    """A body along x with smooth half heights and half widths."""
    place, high = steady(x, tall)
    spine = np.stack([place, 0 * place, 0 * place], axis=1)
    return Tube(spine, high, steady(x, wide)[1], up=(0, 0, 1))


Made = tuple[Solid, str]
Maker = Callable[[np.random.Generator], Made]


_NUMBERS = ["zero", "one", "two", "three", "four", "five", "six"]
_NUMBERS += ["seven", "eight", "nine", "ten", "eleven", "twelve"]
_VOWELS = tuple("aeiou")
_SOUNDS_OTHERWISE = ("u-", "uni", "use", "one")
_FRAMES = ("{}", "{}", "{}", "{}", "the shape of {}", "a 3D scan of {}", "a point cloud of {}")


def grade(value: float, low: float, small: str, high: float, large: str) -> str:
    """The word for a small or a large value, or nothing in between."""
    return small if value < low else large if value > high else ""


def quantity(generator: np.random.Generator, count: int, one: str, many: str) -> str:
    """A number of things, in digits or in words."""
    if count == 1:
        return with_article(one)
    figure = _NUMBERS[count] if count <= 12 and generator.random() < 0.5 else str(count)
    return f"{figure} {many}"


def with_article(phrase: str) -> str:
    """The phrase after "a" or "an"."""
    vowel = phrase.lower().startswith(_VOWELS) and not phrase.lower().startswith(_SOUNDS_OTHERWISE)
    return f"{'an' if vowel or phrase.startswith(('8', '11 ', '18')) else 'a'} {phrase}"


def caption(
    generator: np.random.Generator,
    nouns: Sequence[str] | str,
    looks: Sequence[str] = (),
    has: Sequence[str] = (),
) -> str:
    """A caption of a specimen.

    Args:
        generator: Generator that varies the wording.
        nouns: What the thing may be called, without article.
        looks: Adjectives that are true of it; empty ones are ignored.
        has: Noun phrases of what it has; empty ones are ignored.

    Returns:
        Such as "a tall vase with a narrow neck". One or two of each kind are mentioned.
    """
    noun = nouns if isinstance(nouns, str) else nouns[int(generator.integers(len(nouns)))]
    adjectives = _some(generator, [look for look in looks if not {*look.split()} & {*noun.split()}])
    features = _some(generator, has)
    style = generator.random()
    if adjectives and style < 0.15:
        text = f"{with_article(noun)} that is {' and '.join(adjectives)}"
        text += f" and has {' and '.join(features)}" if features else ""
    elif adjectives and style < 0.25:
        text = ", ".join([with_article(noun), *adjectives])
        text += f", with {' and '.join(features)}" if features else ""
    else:
        text = with_article(" ".join([*adjectives, noun]))
        link = "having" if style > 0.92 else "with"
        text += f" {link} {' and '.join(features)}" if features else ""
    return _FRAMES[int(generator.integers(len(_FRAMES)))].format(text)


def _some(generator: np.random.Generator, phrases: Sequence[str]) -> list[str]:
    """One or two of the phrases that say something, in their order."""
    true = [phrase for phrase in phrases if phrase]
    if len(true) <= 1:
        return true
    chosen = sorted(generator.permutation(len(true))[: int(generator.integers(1, 3))])
    return [true[i] for i in chosen]
