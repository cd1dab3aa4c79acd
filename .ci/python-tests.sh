#!/usr/bin/env bash
# Creates target/venv with the Python packages of the end-to-end tests. Does nothing if it is up to date.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
requirements=$root/tests/e2e/requirements.txt
venv=$root/target/venv

if cmp -s "$requirements" "$venv/requirements.txt"; then
    exit 0
fi
# Debian's package python3 lacks ensurepip, which venv needs.
if ! python3 -c 'import ensurepip' 2>/dev/null; then
    if ! command -v apt-get >/dev/null || [[ $(id -u) != 0 ]]; then
        echo "the end-to-end tests need Python 3 with its venv module: install python3-venv" >&2
        exit 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3 python3-venv >/dev/null
fi
rm -rf "$venv"
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
cp "$requirements" "$venv/requirements.txt"
