#!/usr/bin/env bash
# The shared library as it is shipped: its size, what it needs, what it exports, and that what was left out says so.
#
#   tests/capi/release.sh        the smallest library and the whole one
#   tests/capi/release.sh all    one with each feature, for a table of what they cost
#   tests/capi/release.sh std    with Rust's library built along, without what prints backtraces: needs its sources, and
#                                a compiler that may build them (a nightly one, or RUSTC_BOOTSTRAP=1)
set -euo pipefail
cd "$(dirname "$0")/../.."
library=target/capi/libnodelock.so
std=()
if [ "${1:-}" = std ]; then
    target=$(${RUSTC:-rustc} -vV | sed -n 's/^host: //p')
    library=target/$target/capi/libnodelock.so
    std=(--target "$target" -Z build-std=std,panic_unwind -Z build-std-features=optimize_for_size)
fi
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

build() {
    "${CARGO:-cargo}" rustc --locked --quiet --lib --profile capi --features "$1" --crate-type cdylib "${std[@]}"
    printf '%-28s %9d bytes\n' "$1" "$(stat -c %s $library)"
    if grep -q NODELOCK_MUTANT $library; then
        echo "rules can be switched off in it" >&2
        exit 1
    fi
}

# Those of the client, or all, are exported and nothing else.
exports() {
    nm -D --defined-only --format=posix $library | cut -d' ' -f1 | LC_ALL=C sort >"$folder/exported"
    sed "$1" tests/capi/symbols.txt | grep -v -e '^#' -e '^$' | LC_ALL=C sort >"$folder/listed"
    diff "$folder/listed" "$folder/exported"
}

needs() {
    readelf -d $library | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' >"$folder/needed"
    if grep -v -x -E 'lib(c|m|gcc_s)\.so\.[0-9]+|ld-linux-[a-z0-9-]+\.so\.[0-9]+' "$folder/needed"; then
        echo "needs more than the C library" >&2
        exit 1
    fi
    echo "    needs $(paste -sd' ' "$folder/needed"), at least $(nm -D $library | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1)"
}

at_most() {
    if [ "$(stat -c %s $library)" -gt "$1" ]; then
        echo "larger than $1 bytes" >&2
        exit 1
    fi
}

build capi
at_most 1120000
needs
exports '/^# and/,$d'
cc -std=c11 -Wall -Wextra -Werror -I include tests/capi/bare.c -o "$folder/bare" -L "$(dirname $library)" -lnodelock -Wl,-rpath,"$PWD/$(dirname $library)"
"$folder/bare"

if [ -n "${1:-}" ]; then
    for features in capi,qr capi,authority capi,online; do
        build $features
    done
fi

build capi,online,qr,authority
at_most 3424000
needs
exports '/^# and with feature `testing`/,$d'
