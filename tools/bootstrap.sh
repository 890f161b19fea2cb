#!/bin/sh
# Makes .tools/: `bin/uv`, the version and hash of which are in requirements.lock, and `python/`, a link for
# each Python >= 3.11 on this machine that really runs. Called by the Makefile; needs a Python and either
# pip or the venv module (as root on Debian it installs the latter).
set -eu
cd "$(dirname "$0")/.."

say() { printf '→ %s\n' "$*"; }

fail() {
    printf '✗ %s\n' "$*" >&2
    exit 1
}

# A name on PATH proves nothing: pyenv leaves shims behind for versions that are not active, and answers
# them with an error. So each candidate is run, and what is linked is the interpreter it turns out to be.
find_pythons() {
    mkdir -p .tools/python
    for minor in 11 12 13 14; do
        link=.tools/python/python3.$minor
        runs "$link" "3.$minor" >/dev/null && continue
        rm -f "$link"
        for folder in $(candidate_folders); do
            for name in "python3.$minor" python3; do
                if found=$(runs "$folder/$name" "3.$minor"); then
                    ln -s "$found" "$link"
                    break 2
                fi
            done
        done
    done
}

candidate_folders() {
    printf '%s\n' "$PATH" | tr ':' '\n' | grep '^/' | grep -v '/\.tools/'
    for folder in "${PYENV_ROOT:-${HOME:-/root}/.pyenv}"/versions/3.*/bin /usr/local/bin /usr/bin; do
        [ -d "$folder" ] && printf '%s\n' "$folder"
    done
}

# Prints where the interpreter really is when it runs and is of this version.
runs() {
    [ -x "$1" ] && "$1" -c '
import sys, ssl, ctypes, os
if "%d.%d" % sys.version_info[:2] != sys.argv[1]: sys.exit(1)
print(os.path.realpath(sys.executable))' "$2" 2>/dev/null
}

choose_python() {
    for minor in 11 12 13 14; do
        python=.tools/python/python3.$minor
        [ -x "$python" ] && return
    done
    fail "no Python 3.11 or newer runs here. Install one, on Debian: apt-get install python3 python3-venv"
}

install_uv() {
    wanted=$(sed -n 's/^uv==\([0-9.]*\).*/\1/p' requirements.lock)
    [ -x .tools/bin/uv ] && [ "$(.tools/bin/uv --version | cut -d' ' -f2)" = "$wanted" ] && return
    say "Python: $("$python" -c 'import os, sys; print(sys.version.split()[0], "at", os.path.realpath(sys.executable))')"
    say "installing uv $wanted into .tools (its hash is in requirements.lock)"
    rm -rf .tools/uv .tools/bin
    mkdir -p .tools/bin
    sed -n '/^uv==/,/^[a-z]/p' requirements.lock | grep -E '^(uv==|    --hash)' | sed '$s/ \\$//' >.tools/uv.lock
    pip_options="--quiet --root-user-action=ignore --disable-pip-version-check --no-deps --require-hashes --only-binary=:all: -r .tools/uv.lock"
    if "$python" -m pip --version >/dev/null 2>&1; then
        # --target leaves the machine's own packages alone, which an "externally managed" Python insists on.
        # shellcheck disable=SC2086
        "$python" -m pip install --target .tools/uv $pip_options
    else
        provide_venv
        "$python" -m venv .tools/uv
        # shellcheck disable=SC2086
        .tools/uv/bin/python -m pip install $pip_options
    fi
    ln -s ../uv/bin/uv .tools/bin/uv
    .tools/bin/uv --version >/dev/null || fail "uv was installed into .tools/uv and does not run"
}

provide_venv() {
    "$python" -c 'import venv, ensurepip' 2>/dev/null && return
    remedy="install them: apt-get install python3-venv (as root), then run make again"
    case $(readlink -f "$python") in
    /usr/bin/*) ;;
    *) fail "$python has neither pip nor the venv module; $remedy" ;;
    esac
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        fail "$python has neither pip nor the venv module; $remedy"
    fi
    package="$(basename "$(readlink -f "$python")")-venv"
    say "installing the Debian package $package (this Python has neither pip nor venv)"
    apt-get update -qq >/dev/null || fail "apt-get update failed; $remedy"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" >.tools/apt.log 2>&1 ||
        fail "apt-get install $package failed (see .tools/apt.log); $remedy"
}

find_pythons
choose_python
install_uv
