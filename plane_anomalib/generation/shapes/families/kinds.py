"""What a family is: a maker of one solid and of its caption."""

from collections.abc import Callable

import numpy as np

from plane_anomalib.generation.shapes.solid import Solid

Made = tuple[Solid, str]
Maker = Callable[[np.random.Generator], Made]
