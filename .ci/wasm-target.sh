#!/usr/bin/env bash
# Makes sure that guests can be compiled for wasm32-unknown-unknown. Safe to run as often as you like.
#
# 1. The active rustc has the target: nothing to do.
# 2. rustup can fetch it: that is all.
# 3. Debian, as root: installs a compiler that comes with the source of its standard library and builds that library
#    once, into a private sysroot: NARROWBOAT_WASM_SYSROOT, by default target/wasm-sysroot of this repository.
#    Guests then compile with the compiler that the file `rustc` in that sysroot names.
set -euo pipefail

target=wasm32-unknown-unknown
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
sysroot=${NARROWBOAT_WASM_SYSROOT:-$root/target/wasm-sysroot}
compiler=/usr/bin/rustc
cargo=/usr/bin/cargo

say() { printf 'wasm-target: %s\n' "$*"; }
die() { printf 'wasm-target: %s\n' "$*" >&2; exit 1; }

# rustc prints the folder whether or not the target is installed, so the library itself is looked for.
active_has_target() {
    local libdir
    libdir=$(rustc --print target-libdir --target "$target" 2>/dev/null) || return 1
    compgen -G "$libdir/libstd-*.rlib" >/dev/null
}

# Libraries only fit the compiler that built them: after an upgrade of it they are built again.
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
    say "asking rustup for $target (about 20 s, given up after 120 s)"
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
    # Beside its destination, so that the last step is a rename: a folder of the right name is a finished one.
    work=$(mktemp -d "$sysroot.XXXXXX")
    # shellcheck disable=SC2064  # the name is wanted as it is now
    trap "rm -rf '$work'" EXIT
    libraries=$work/sysroot/lib/rustlib/$target/lib
    mkdir -p "$work/crate/src" "$libraries"
    printf '[package]\nname = "seed"\nedition = "2021"\n[workspace]\n' >"$work/crate/Cargo.toml"
    : >"$work/crate/src/lib.rs"

    say "building the standard library for $target (about 40 s)"
    # A guest that is optimised as a whole (`lto`) needs the libraries' bitcode, which cargo leaves out unless told.
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
    say "the active rustc has $target: nothing to do"
elif sysroot_is_current && has_linker; then
    say "$sysroot has $target: nothing to do"
elif install_with_rustup; then
    say "rustup installed $target"
elif command -v apt-get >/dev/null && [[ $(id -u) == 0 ]]; then
    install_debian_compiler
    sysroot_is_current || build_sysroot
    say "$target is ready in $sysroot; compile guests with RUSTC=$compiler"
else
    die "no $target: run 'rustup target add $target', or this script as root on Debian"
fi
