#!/usr/bin/env bash
# Builds components with tools of other languages, with the default flags of these tools, except that JavaScript needs
# `--sync` because the host does not accept asynchronous components: target/foreign/NAME.wasm for
# python, javascript, c and rust. Installs the tools in target/foreign. A component whose sources are unchanged is not
# built again.
#
# Python: componentize-py. JavaScript: componentize-qjs. C: wit-bindgen, Zig's C compiler and wasi-libc. Rust: the
# target wasm32-wasip1. A component of C or Rust is encoded with the adapter from preview 1 of WASI.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

guests=tests/guests/foreign
out=target/foreign
componentize_qjs=0.4.5
wasi_target=wasm32-wasip1
rust_module=(--quiet --release --package wasi-guest --target "$wasi_target" --target-dir "$out/rust")

# In the environment of Zig, so that another version does not find the C library of this one.
export ZIG_GLOBAL_CACHE_DIR=$PWD/$out/venv-c/cache ZIG_LOCAL_CACHE_DIR=$PWD/$out/venv-c/cache

say() { printf 'foreign-guests: %s\n' "$*"; }
die() { printf 'foreign-guests: %s\n' "$*" >&2; exit 1; }

# Prints a digest of files, of all files in folders, and of this script.
digest() {
    find "$@" .ci/foreign-guests.sh -type f -not -path '*/__pycache__/*' -print0 | sort -z | xargs -0 sha256sum | sha256sum
}

# make NAME INPUT ...: calls the function build_NAME, which writes a component, unless the inputs are those of the
# component that is there.
make() {
    local name=$1 inputs started=$SECONDS
    shift
    inputs=$(digest "$@")
    if [[ -f $out/$name.wasm && $(cat "$out/$name.inputs" 2>/dev/null) == "$inputs" ]]; then
        return
    fi
    rm -f "$out/$name.inputs"
    "build_$name" "$out/$name.new"
    mv "$out/$name.new" "$out/$name.wasm"
    printf '%s\n' "$inputs" >"$out/$name.inputs"
    say "built $name in $((SECONDS - started)) s"
}

# install_python_tool NAME: installs the requirements of a guest in a virtual environment of their own.
install_python_tool() {
    local requirements=$guests/$1/requirements.txt venv=$out/venv-$1
    if cmp -s "$requirements" "$venv/requirements.txt"; then
        return
    fi
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
    cp "$requirements" "$venv/requirements.txt"
}

build_python() {
    install_python_tool python
    "$out/venv-python/bin/componentize-py" --quiet --wit-path wit --world websocket-consumer \
        componentize app --python-path "$guests/python" --output "$1"
}

build_javascript() {
    .ci/node.sh
    if ! grep -qs "\"version\": \"$componentize_qjs\"" "$out/node_modules/componentize-qjs/package.json"; then
        npm install --silent --no-audit --no-fund --no-save --prefix "$out" "componentize-qjs@$componentize_qjs" >/dev/null
    fi
    "$out/node_modules/.bin/componentize-qjs" --wit wit --world websocket-consumer \
        --js "$guests/javascript/consumer.js" --sync --output "$1" >/dev/null
}

components() { cargo run --quiet --package narrowboat-components -- "$@"; }

zig() { "$out/venv-c/bin/python" -m ziglang "$@"; }

# Compiles C to a module for preview 1 of WASI that exports functions and has no `main`.
compile_c() { zig cc -target wasm32-wasi -mexec-model=reactor -O2 -o "$@"; }

build_c() {
    local bindings=$out/bindings
    install_python_tool c
    rm -rf "$bindings"
    components bindings websocket-consumer wit "$bindings"
    compile_c "$out/c-module.wasm" -I "$bindings" "$guests/c/consumer.c" "$bindings"/*.c "$bindings"/*.o
    components encode "$out/c-module.wasm" "$1"
}

# rustc prints the folder even if the target is not installed, so this checks for the library itself.
has_wasi_target() { compgen -G "$(rustc --print target-libdir --target "$wasi_target")/libstd-*.rlib" >/dev/null; }

build_rust() {
    local compiler
    if has_wasi_target; then
        build_rust_module
    elif compiler=$(find_compiler_with_source); then
        build_rust_module_with_std "$compiler"
    elif command -v rustup >/dev/null && timeout --kill-after=5 120 rustup target add "$wasi_target" 2>&1 | tail -n 1 &&
        has_wasi_target; then
        build_rust_module
    else
        die "the Rust target $wasi_target is missing: run 'rustup target add $wasi_target'"
    fi
    components encode "$out/rust/$wasi_target/release/wasi_guest.wasm" "$1"
}

# A compiler whose toolchain has the source of the standard library.
find_compiler_with_source() {
    local compiler
    for compiler in "$(command -v rustc)" /usr/bin/rustc; do
        if [[ -d $("$compiler" --print sysroot 2>/dev/null)/lib/rustlib/src/rust/library ]]; then
            printf '%s\n' "$compiler"
            return
        fi
    done
    return 1
}

build_rust_module() { cargo build "${rust_module[@]}"; }

# build_rust_module_with_std COMPILER: builds the standard library too, and links it with Zig's wasi-libc.
build_rust_module_with_std() {
    local libc=$PWD/$out/wasi-libc
    copy_wasi_libc "$libc"
    env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS RUSTC_BOOTSTRAP=1 RUSTC="$1" \
        CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS="-C link-self-contained=no -C link-arg=$libc/crt1-reactor.o \
            -L native=$libc -l static=zigc -l static=compiler_rt" \
        cargo build "${rust_module[@]}" -Zbuild-std=std,panic_abort
}

# copy_wasi_libc FOLDER: copies the C library that Zig compiles when it links a program with it.
copy_wasi_libc() {
    local file
    install_python_tool c
    rm -rf "$1"
    mkdir -p "$1"
    echo 'int unused;' >"$1/unused.c"
    compile_c "$1/unused.wasm" "$1/unused.c"
    for file in crt1-reactor.o libc.a libzigc.a libcompiler_rt.a; do
        find "$ZIG_GLOBAL_CACHE_DIR" -name "$file" -exec cp {} "$1" \;
    done
}

mkdir -p "$out"
make python "$guests/python" wit
make javascript "$guests/javascript" wit
make c "$guests/c" tests/components wit
make rust tests/guests/wasi tests/components wit
