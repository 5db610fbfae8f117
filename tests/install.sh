#!/usr/bin/env bash
# The library as C projects get it: installed by cargo-c and found by pkg-config and CMake, built by CMake from the
# sources, and built by plain cargo. The example in C is linked in each of these ways, and each program lives through
# the story of examples/authority/tests/hosts.
#
#   tests/install.sh             with the profile `release`
#   PROFILE=dev tests/install.sh faster
#
# Without cargo-c, what needs it is skipped, unless NODELOCK_REQUIRE_HOSTS=1 is set.
set -euo pipefail
cd "$(dirname "$0")/.."
profile=${PROFILE:-release}
features=online,qr
target=${CARGO_TARGET_DIR:-$PWD/target}
built=$target/$profile
[ "$profile" = dev ] && built=$target/debug
cc=${CC:-cc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
editors=()

step() {
    printf -- '--- %s (%d s)\n' "$1" "$SECONDS"
}

# What a program asks of the system when it starts.
needs() {
    readelf -d "$1" | grep -q "NEEDED.*\[$2\]" || { echo "$1 does not need $2"; exit 1; }
}
needs_not() {
    ! readelf -d "$1" | grep -q "NEEDED.*\[libnodelock" || { echo "$1 needs the shared library"; exit 1; }
}

step "plain cargo, shared and static"
# With the same options as include/cmake/CMakeLists.txt, so that it is built once.
needed=$target/native-static-libs
cargo rustc --locked --lib --profile "$profile" --features "capi,$features" --crate-type cdylib,staticlib -- \
    "--print=native-static-libs=$needed"
$cc -std=c11 -Iinclude examples/c/main.c -o "$work/cargo-shared" -L"$built" -lnodelock -Wl,-rpath,"$built"
needs "$work/cargo-shared" libnodelock.so
$cc -std=c11 -Iinclude examples/c/main.c -o "$work/cargo-static" "$built/libnodelock.a" $(cat "$needed")
needs_not "$work/cargo-static"
editors+=("$work/cargo-shared" "$work/cargo-static")

if command -v cmake >/dev/null; then
    step "CMake, from the sources"
    cmake -S examples -B "$work/source" -DFROM_SOURCE=ON -DNODELOCK_PROFILE="$profile" -DNODELOCK_TARGET_DIR="$target" \
        -DNODELOCK_FEATURES="$features" >/dev/null
    cmake --build "$work/source" >/dev/null
    needs "$work/source/editor" libnodelock.so
    needs_not "$work/source/editor-static"
    editors+=("$work/source/editor" "$work/source/editor-static")
else
    [ "${NODELOCK_REQUIRE_HOSTS:-}" != 1 ] || { echo "no cmake"; exit 1; }
    echo "SKIPPED: no cmake"
fi

if command -v cargo-cinstall >/dev/null; then
    step "cargo-c"
    prefix=$work/prefix
    cargo cinstall --locked --profile "$profile" --features "$features" --prefix "$prefix" --libdir lib
    (cd "$prefix" && find . ! -type d | sort)
    version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n1)
    soname=libnodelock.so.${version%.*}
    readelf -d "$prefix/lib/libnodelock.so.$version" | grep -q "SONAME.*\[$soname\]"
    export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
    [ "$(pkg-config --modversion nodelock)" = "$version" ]

    $cc -std=c11 examples/c/main.c -o "$work/installed-shared" $(pkg-config --cflags --libs nodelock) -Wl,-rpath,"$prefix/lib"
    needs "$work/installed-shared" "$soname"
    $cc -std=c11 examples/c/main.c -o "$work/installed-static" $(pkg-config --cflags nodelock) \
        -Wl,-Bstatic -lnodelock -Wl,-Bdynamic $(pkg-config --static --libs nodelock | sed 's/-lnodelock//') -L"$prefix/lib"
    needs_not "$work/installed-static"
    editors+=("$work/installed-shared" "$work/installed-static")

    if command -v cmake >/dev/null; then
        step "CMake, from where it is installed"
        cmake -S examples -B "$work/installed" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
        cmake --build "$work/installed" >/dev/null
        needs "$work/installed/editor" "$soname"
        needs_not "$work/installed/editor-static"
        editors+=("$work/installed/editor" "$work/installed/editor-static")
        # Another version is not taken for this one.
        mkdir "$work/later"
        printf 'cmake_minimum_required(VERSION 3.18)\nproject(later LANGUAGES C)\nfind_package(nodelock 99.0 REQUIRED)\n' \
            >"$work/later/CMakeLists.txt"
        ! cmake -S "$work/later" -B "$work/later/build" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null 2>"$work/later/said"
        grep -q "version: $version" "$work/later/said"
    fi
else
    [ "${NODELOCK_REQUIRE_HOSTS:-}" != 1 ] || { echo "no cargo-c"; exit 1; }
    echo "SKIPPED: no cargo-c (cargo install cargo-c)"
fi

step "the story, ${#editors[@]} times"
NODELOCK_EDITORS=$(IFS=:; echo "${editors[*]}") cargo test --locked --test hosts elsewhere -- --nocapture
step "done"
