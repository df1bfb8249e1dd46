#!/usr/bin/env bash
# setuptools puts a module that was deleted into the next wheel.
#
# `pip install .`, `pip wheel .` and `python -m build --wheel` build in `build/lib` of the source tree
# and never empty it, so what an earlier build has copied there is packed again. A checkout that was
# installed before modules were moved installs the old modules beside the new ones. Building the wheel
# from the source archive (`python -m build`, our `make dist`) or `rm -rf build` first avoids it.
#
# Seen with setuptools 84.2.1. Exits 0 while it is so, 1 once it is not.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
pip=("$folder/env/bin/python" -m pip --disable-pip-version-check --quiet)
"${pip[@]}" install setuptools==84.2.1
cd "$folder"

mkdir package
cat >pyproject.toml <<'TOML'
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "package"
version = "1"
[tool.setuptools]
packages = ["package"]
TOML
touch package/__init__.py package/old.py
"${pip[@]}" wheel --no-deps --no-build-isolation --wheel-dir first .
rm package/old.py
"${pip[@]}" wheel --no-deps --no-build-isolation --wheel-dir second .

echo "source tree:  $(ls package | tr '\n' ' ')"
names="$(env/bin/python -m zipfile --list second/*.whl | awk '/^package\// {print $1}' | tr '\n' ' ')"
echo "second wheel: $names"
case "$names" in
    *package/old.py*) echo "setuptools 84.2.1 packs package/old.py, which is not there any more." ;;
    *)
        echo "It does not any more: this finding is out of date."
        exit 1
        ;;
esac
