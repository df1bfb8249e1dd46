"""Shape families turned on a lathe: vessels, a chess pawn, a stool."""

from __future__ import annotations

import numpy as np

from plane_anomalib.generation.procedural.fields import (
    Field,
    blend,
    box,
    cut,
    cylinder,
    moved,
    polygon,
    repeated_around,
    revolved,
    smooth_curve,
    torus,
    turned,
    turned_shell,
    union,
)


def vase() -> Field:
    """Belly, narrow neck and flared lip; the wall is 0.05 thick."""
    outline = smooth_curve(
        [
            (0.34, -1.0),
            (0.52, -0.72),
            (0.6, -0.35),
            (0.5, 0.1),
            (0.3, 0.45),
            (0.26, 0.65),
            (0.46, 1),
        ]
    )
    return revolved(polygon(turned_shell(outline, 0.07)))


def bowl() -> Field:
    """Wide open bowl on a foot ring."""
    outline = smooth_curve([(0.3, -0.42), (0.55, -0.38), (0.8, -0.15), (0.94, 0.15), (1.0, 0.42)])
    foot = polygon([(0.24, -0.55), (0.36, -0.55), (0.36, -0.36), (0.24, -0.36)])
    return union(revolved(polygon(turned_shell(outline, 0.08))), revolved(foot))


def cup() -> Field:
    """Mug with a handle."""
    outline = smooth_curve([(0.5, -0.75), (0.58, -0.68), (0.6, -0.5), (0.6, 0.2), (0.62, 0.75)])
    mug = revolved(polygon(turned_shell(outline, 0.08)))
    handle = moved(turned(torus(0.455, 0.085), 0, 90.0), [0.58, 0, 0])
    inside = cylinder(0.535, 0.67)
    return blend(mug, cut(handle, moved(inside, [0, 0, 0.05])), 0.06)


def bottle() -> Field:
    """Bottle with a shoulder, a neck and a lip."""
    outline = [(0.3, -1.0), (0.34, -0.97), (0.34, 0.15), (0.33, 0.22), (0.29, 0.3), (0.22, 0.38)]
    outline += [(0.15, 0.46), (0.13, 0.54), (0.13, 0.84), (0.17, 0.85), (0.17, 0.95), (0.13, 0.96)]
    outline += [(0.13, 1.0)]
    inside = [(0.08, 1.0), (0.08, 0.54), (0.1, 0.47), (0.17, 0.36), (0.24, 0.28), (0.28, 0.18)]
    profile = np.vstack([[0.0, -1.0], outline, inside, [(0.28, -0.93), (0.0, -0.93)]])
    return revolved(polygon(profile))


def pawn() -> Field:
    """Chess pawn."""
    body = smooth_curve([(0.36, -0.62), (0.22, -0.42), (0.15, -0.05), (0.14, 0.24)])
    head_angle = np.linspace(-0.86, 0.5 * np.pi, 18)
    head = np.column_stack([0.28 * np.cos(head_angle), 0.68 + 0.28 * np.sin(head_angle)])
    head[-1, 0] = 0.0
    base = [(0.0, -1.0), (0.52, -1.0), (0.54, -0.96), (0.54, -0.84), (0.46, -0.76), (0.46, -0.68)]
    collar = [(0.16, 0.27), (0.34, 0.33), (0.34, 0.38), (0.2, 0.44)]
    return revolved(polygon(np.vstack([base, body, collar, head])))


def stool() -> Field:
    """Round seat on four splayed legs with a ring between them."""
    seat = revolved(
        polygon([(0, 0.72), (0.5, 0.72), (0.56, 0.76), (0.56, 0.83), (0.5, 0.88), (0, 0.88)])
    )
    leg = moved(turned(box([0.062, 0.062, 0.86], 0.015), 1, -13.0), [0.52, 0, -0.08])
    bar = moved(box([0.04, 0.4, 0.045], 0.01), [0.56, 0, -0.42])
    legs = repeated_around(leg, 4)
    bars = repeated_around(moved(bar, [-0.13, 0, 0]), 4)
    floor = moved(box([2.0, 2.0, 0.5]), [0, 0, -1.4])
    return cut(union(seat, legs, turned(bars, 2, 45.0)), floor)


def hat() -> Field:
    """Brimmed hat: a crown with a dip, a band and a wide brim."""
    outer = smooth_curve([(0.96, -0.3), (0.78, -0.34), (0.56, -0.3)], 5)
    crown = smooth_curve([(0.56, -0.3), (0.52, 0.05), (0.47, 0.34), (0.38, 0.42), (0.18, 0.36)], 6)
    top = np.vstack([outer, crown[1:], [[0.0, 0.34]]])
    band = polygon([(0.5, -0.26), (0.575, -0.26), (0.555, -0.1), (0.48, -0.1)])
    tangent = np.gradient(top, axis=0)
    normal = np.column_stack([tangent[:, 1], -tangent[:, 0]])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    under = top - 0.07 * normal
    under[-1, 0] = 0.0
    return union(revolved(polygon(np.vstack([top, under[::-1]]))), revolved(band))
