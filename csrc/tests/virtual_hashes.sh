#!/bin/sh
# One hash of all events of some runs in virtual time, over compilers and levels: prints a line for each build; exit status 1 if they differ.
#   sh csrc/tests/virtual_hashes.sh [directory for the programs]
cd "$(dirname "$0")/.." || exit 2
out=${1:-$(mktemp -d)}
for cc in gcc clang; do
    command -v $cc > /dev/null || continue
    for level in -O0 -O1 -O2 -O3; do
        $cc -std=c11 -D_GNU_SOURCE -fno-strict-aliasing -ffp-contract=off -pthread $level -I. -Iinclude \
            tests/test_virtual.c core_fast.c core_step.c -o "$out/virtual" -lm || exit 2
        echo "$cc $level $("$out/virtual" hash)"
    done
done | tee "$out/hashes"
[ "$(cut -d' ' -f3- "$out/hashes" | sort -u | wc -l)" = 1 ]
