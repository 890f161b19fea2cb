#!/bin/sh
# Says which of the supported Pythons the tests will run on. 3.11 carries every tier, so it must be there.
set -eu
cd "$(dirname "$0")/.."
for minor in 11 12 13; do
    link=.tools/python/python3.$minor
    if [ -x "$link" ]; then
        printf '→ py3%s: %s\n' "$minor" "$(readlink "$link")"
    else
        printf '! py3%s: no working Python 3.%s on this machine, its tests are not run\n' "$minor" "$minor"
    fi
done
[ -x .tools/python/python3.11 ] || {
    echo '✗ every tier runs on Python 3.11: install it, on Debian 12: apt-get install python3' >&2
    exit 1
}
