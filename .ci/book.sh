#!/usr/bin/env bash
# Installs mdBook in target/mdbook. Does nothing if it is installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=0.5.4
if [[ $(target/mdbook/bin/mdbook --version 2>/dev/null) != "mdbook v$version" ]]; then
    cargo install mdbook --version "$version" --locked --no-default-features --features search --root target/mdbook
fi
