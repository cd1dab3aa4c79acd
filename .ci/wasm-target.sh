#!/usr/bin/env bash
# Installs the target wasm32-unknown-unknown for guests. Running it again is safe.
#
# 1. If the active rustc has the target, it does nothing.
# 2. If rustup can install the target, rustup does.
# 3. On Debian as root, it installs a compiler with the source of the standard library, and builds that library once in
#    a private sysroot: NARROWBOAT_WASM_SYSROOT, by default target/wasm-sysroot of this repository. Guests are then
#    compiled by the compiler that the file `rustc` in that sysroot names.
set -euo pipefail

target=wasm32-unknown-unknown
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
sysroot=${NARROWBOAT_WASM_SYSROOT:-$root/target/wasm-sysroot}
compiler=/usr/bin/rustc
cargo=/usr/bin/cargo

say() { printf 'wasm-target: %s\n' "$*"; }
die() { printf 'wasm-target: %s\n' "$*" >&2; exit 1; }

# rustc prints the folder even if the target is not installed, so this checks for the library itself.
active_has_target() {
    local libdir
    libdir=$(rustc --print target-libdir --target "$target" 2>/dev/null) || return 1
    compgen -G "$libdir/libstd-*.rlib" >/dev/null
}

# The libraries work only with the compiler that built them. An upgrade of the compiler needs a new build.
sysroot_is_current() {
    [[ -x $compiler && -f $sysroot/version ]] || return 1
    [[ $(<"$sysroot/version") == "$("$compiler" -V)" ]] || return 1
    compgen -G "$sysroot/lib/rustlib/$target/lib/libstd-*.rlib" >/dev/null
}

has_linker() {
    local rust_lld
    rust_lld=$(compgen -G "$(rustc --print sysroot 2>/dev/null)/lib/rustlib/*/bin/rust-lld") || rust_lld=
    [[ -n $rust_lld ]] || command -v wasm-ld >/dev/null
}

install_with_rustup() {
    command -v rustup >/dev/null || return 1
    say "installing $target with rustup (about 20 s, at most 120 s)"
    timeout --kill-after=5 120 rustup target add "$target" 2>&1 | tail -n 1 || return 1
    active_has_target
}

install_debian_compiler() {
    local packages=()
    [[ -x $compiler && -x $cargo && -d /usr/lib/rustlib/src/rust/library ]] || packages+=(rustc-web cargo-web rust-web-src)
    has_linker || packages+=(lld)
    ((${#packages[@]})) || return 0
    say "installing ${packages[*]} (about 150 MB, 30 s to a minute)"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
}

build_sysroot() {
    local work libraries
    mkdir -p "$(dirname "$sysroot")"
    # The work folder is next to the final one, so the last step is a rename: the final folder is always complete.
    work=$(mktemp -d "$sysroot.XXXXXX")
    # shellcheck disable=SC2064  # expand the name now
    trap "rm -rf '$work'" EXIT
    libraries=$work/sysroot/lib/rustlib/$target/lib
    mkdir -p "$work/crate/src" "$libraries"
    printf '[package]\nname = "seed"\nedition = "2021"\n[workspace]\n' >"$work/crate/Cargo.toml"
    : >"$work/crate/src/lib.rs"

    say "building the standard library for $target (about 40 s)"
    # A guest with link-time optimisation (`lto`) needs the bitcode of the libraries, which cargo omits by default.
    (cd "$work/crate" && env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS -u CARGO_TARGET_DIR -u RUSTUP_TOOLCHAIN \
        CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="-C embed-bitcode=yes" \
        RUSTC_BOOTSTRAP=1 RUSTC="$compiler" "$cargo" build --quiet --release --target "$target" \
        --target-dir "$work/target" -Zbuild-std=std,panic_abort)

    cp "$work/target/$target/release/deps/"*.rlib "$libraries/"
    rm -f "$libraries/"libseed-*.rlib
    "$compiler" -V >"$work/sysroot/version"
    printf '%s\n' "$compiler" >"$work/sysroot/rustc"
    rm -rf "$sysroot"
    mv "$work/sysroot" "$sysroot"
}

if active_has_target; then
    say "the active rustc has $target; nothing to do"
elif sysroot_is_current && has_linker; then
    say "$sysroot has $target; nothing to do"
elif install_with_rustup; then
    say "rustup installed $target"
elif command -v apt-get >/dev/null && [[ $(id -u) == 0 ]]; then
    install_debian_compiler
    sysroot_is_current || build_sysroot
    say "$target is ready in $sysroot; set RUSTC=$compiler to compile guests"
else
    die "the target $target is missing: run 'rustup target add $target', or run this script as root on Debian"
fi
