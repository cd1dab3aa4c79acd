#!/usr/bin/env bash
# Installs the servers that the benchmark compares with: Bun and the Node.js package `ws` in target/node_modules, and a
# server with gorilla/websocket in target/peers/gorilla. Does nothing if they are installed.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bun=1.4.5
ws=8.23.0

have() { command -v "$1" >/dev/null; }

# has_package NAME VERSION
has_package() { grep -qs "\"version\": \"$2\"" "$root/target/node_modules/$1/package.json"; }

install_packages() {
    "$root/.ci/node.sh"
    if ! has_package bun "$bun" || ! has_package ws "$ws"; then
        mkdir -p "$root/target"
        npm install --silent --no-audit --no-fund --no-save --prefix "$root/target" "bun@$bun" "ws@$ws" >/dev/null
    fi
}

install_go() {
    if have go && [[ -d /usr/share/gocode/src/github.com/gorilla/websocket ]]; then
        return
    fi
    if ! have apt-get || [[ $(id -u) != 0 ]]; then
        echo "the benchmark needs Go and gorilla/websocket: install golang-go and golang-github-gorilla-websocket-dev" >&2
        exit 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        golang-go golang-github-gorilla-websocket-dev >/dev/null
}

# Debian's packages are found by the old rules of Go, without modules.
build_gorilla() {
    local source=$root/tests/peers/gorilla server=$root/target/peers/gorilla
    if [[ $server -nt $source/main.go ]]; then
        return
    fi
    install_go
    mkdir -p "$root/target/peers"
    (cd "$source" && GO111MODULE=off GOPATH=/usr/share/gocode go build -o "$server" .)
}

install_packages
build_gorilla
