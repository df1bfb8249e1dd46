#!/usr/bin/env bash
# Make a virtual environment and install this package into it, with the extras asked for.
#
#   scripts/setup.sh VENV [EXTRAS]        e.g. scripts/setup.sh .venv dev
#
# PYTHON       the interpreter for a new environment (default: python3.11, else python3)
# TORCH_INDEX  a package index to take torch and torchvision from, e.g. one with CPU-only builds;
#              the ordinary builds bring about 6 GB of CUDA libraries and run without a GPU, too
# PIP_*        pip's own settings, as always
set -euo pipefail
cd "$(dirname "$0")/.."

venv=$1
extras=${2:-}

fail() {
    echo "error: $*" >&2
    exit 1
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3.11 python3}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    fail "Python 3.11 or newer is needed and was not found as ${PYTHON:-python3.11 or python3}:" \
        "install it (apt-get install python3.11 python3.11-venv) or name one with PYTHON=/path/to/python."
}

# Debian keeps the parts of Python that make environments in a package of their own.
ensure_venv_module() {
    "$1" -c 'import venv, ensurepip' 2>/dev/null && return
    local package root=""
    package="$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    if [ "$(id -u)" -ne 0 ]; then
        root="sudo"
        sudo -n true 2>/dev/null || fail "$1 cannot make virtual environments:" \
            "run 'sudo apt-get install $package' and try again."
    fi
    command -v apt-get >/dev/null || fail "$1 cannot make virtual environments:" \
        "install its venv and ensurepip modules and try again."
    echo "Installing $package, which $1 needs to make virtual environments ..."
    $root apt-get update -qq
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" >/dev/null
}

if [ ! -x "$venv/bin/python" ]; then
    python="$(find_python)"
    ensure_venv_module "$python"
    echo "Making the virtual environment $venv with $("$python" --version) ..."
    "$python" -m venv "$venv"
fi

pip=("$venv/bin/python" -m pip --disable-pip-version-check install --quiet --quiet)
if ! "$venv/bin/python" -c 'import torch, torchvision' 2>/dev/null; then
    echo "Installing torch and the rest into $venv: some minutes, several GB (less with TORCH_INDEX=...) ..."
    if [ -n "${TORCH_INDEX:-}" ]; then
        "${pip[@]}" --index-url "$TORCH_INDEX" torch torchvision
    fi
else
    echo "Bringing $venv up to date ..."
fi
"${pip[@]}" --editable ".${extras:+[$extras]}"
touch "$venv/.installed" "$venv/.installed${extras:+-$extras}"
