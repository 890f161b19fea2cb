#!/bin/sh
# The demo's model runs in xllamacpp, a wheel that needs the system's libgomp; a bare Debian has none.
# As root on Debian installs it; otherwise says how. Without it everything but the provider `local` works.
set -eu
cd "$(dirname "$0")/.."

error=$(.venv/bin/python -c 'import xllamacpp' 2>&1) && exit 0
case $error in
*libgomp.so.1*) ;;
*)
    printf '! the demo model does not load here: %s\n' "$(printf '%s' "$error" | tail -n 1)" >&2
    exit 0
    ;;
esac
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "! the demo's model needs libgomp; install it (on Debian, as root: apt-get install libgomp1)," >&2
    echo "  or set a provider's key, for example OPENAI_API_KEY" >&2
    exit 0
fi
echo "→ installing the Debian package libgomp1 (the demo's model needs it)"
apt-get update -qq >/dev/null
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libgomp1 >.tools/apt.log 2>&1 || {
    tail -n 5 .tools/apt.log >&2
    echo "! apt-get install libgomp1 failed; the provider \`local\` will not work" >&2
}
