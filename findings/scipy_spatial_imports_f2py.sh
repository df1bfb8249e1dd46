#!/usr/bin/env bash
# A nearest-neighbour search brings numpy's Fortran compiler front end with it.
#
# `import scipy.spatial` (for cKDTree) ends in scipy's array-API layer, which asks numpy for every public
# name; numpy imports its lazy submodules at that moment, `numpy.f2py` among them, and that in turn
# charset_normalizer where it is installed: a program that looks for neighbours pays for a code generator
# that it never calls. `import numpy` alone does not import it.
#
# Seen with scipy 1.17.1 and numpy 2.4.6. Exits 0 while it is so, 1 once it is not.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip --disable-pip-version-check --quiet install numpy==2.4.6 scipy==1.17.1

"$folder/env/bin/python" - <<'PYTHON'
import sys

import numpy

before = "numpy.f2py" in sys.modules
import scipy.spatial

after = [name for name in sys.modules if name.split(".")[:2] == ["numpy", "f2py"]]
print(f"after `import numpy`: numpy.f2py imported: {before}")
print(f"after `import scipy.spatial`: {len(after)} modules of numpy.f2py")
tree = scipy.spatial.cKDTree(numpy.eye(3))
print(f"and the search itself: {tree.query([0.9, 0, 0])[1] == 0}")
if before or not after:
    print("It is not so any more: this finding is out of date.")
    sys.exit(1)
PYTHON
