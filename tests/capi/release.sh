#!/usr/bin/env bash
# The shared library as it is shipped: its size, what it needs, what it exports, and that what was left out says so.
#
#   tests/capi/release.sh        the smallest library and the whole one
#   tests/capi/release.sh all    one with each feature, for a table of what they cost
set -euo pipefail
cd "$(dirname "$0")/../.."
library=target/capi/libnodelock.so
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

build() {
    cargo rustc --locked --quiet --lib --profile capi --features "$1" --crate-type cdylib
    printf '%-28s %9d bytes\n' "$1" "$(stat -c %s $library)"
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
at_most 1150000
needs
exports '/^# and/,$d'
cc -std=c11 -Wall -Wextra -Werror -I include tests/capi/bare.c -o "$folder/bare" -L target/capi -lnodelock -Wl,-rpath,"$PWD/target/capi"
"$folder/bare"

if [ "${1:-}" = all ]; then
    for features in capi,qr capi,authority capi,online; do
        build $features
    done
fi

build capi,online,qr,authority
at_most 3300000
needs
exports ''
