#!/usr/bin/env bash
# Instructions that the hot kernels of kernels/examples/hot_kernels.rs execute on AVX2, counted by
# Callgrind: the same on every run, where times are not.
#
#   counts.sh PROGRAM           compares with baseline.txt; fails where one has grown by over 2 %
#   counts.sh PROGRAM --record  writes baseline.txt
#
# The counts are those of one compiler, which baseline.txt names: with another they are shown, and
# nothing fails.
set -euo pipefail

program=$1
baseline=$(dirname "$0")/baseline.txt
kernels='gemm gemm_packed gemm_columns gemm_tiny gemm_row gemm_packed_row exp expm1 sigmoid tanh softplus log1p erf'
grep -qs avx2 /proc/cpuinfo || { echo "counts skipped: no AVX2 here"; exit; }

count() {
    KERNELS_ISA=avx2 valgrind --tool=callgrind --callgrind-out-file=/dev/null \
        --toggle-collect='*hot_kernels*measured*' "$program" "$@" 2>&1 |
        awk '/Collected :/ { count = $NF } END { if (!count) exit 1; print count }'
}

counts() {
    for scalar in f32 f64; do
        for kernel in $kernels; do
            instructions=$(count $kernel $scalar)
            echo "$kernel $scalar $instructions"
        done
    done
}

if [ "${2:-}" = --record ]; then
    { echo "# $(rustc --version)"; counts; } >"$baseline.new"
    mv "$baseline.new" "$baseline"
    exit
fi

recorded=$(head -1 "$baseline" | cut -c3-)
[ "$recorded" = "$(rustc --version)" ] && same=1 || same=0
echo "against $recorded, by $(rustc --version)"
counts | awk -v limit=2 -v same=$same '
    NR == FNR { if (!/^#/) was[$1, $2] = $3; next }
    !(($1, $2) in was) { print $1, $2, "is not in the baseline"; failed = 1; next }
    {
        change = 100 * ($3 / was[$1, $2] - 1)
        verdict = change > limit ? (same ? ": FAILED" : ": more") : change < -limit ? ": fewer, to be recorded" : ""
        if (change > limit && same) failed = 1
        printf "%-12s %s %8d %+6.2f %%%s\n", $1, $2, $3, change, verdict
        compared++
    }
    END { exit failed || !compared }
' "$baseline" -
