#!/usr/bin/env bash
# Plants the sign errors of signs.txt, one after another, in a copy of the last commit, and runs tests of
# `lstm` on each until one fails: first those that check the gradients of whole models, as a user would. An
# error that none finds has survived: then the exit status is 1.
# With a number N, only every Nth error; with another M, those from the Mth on.
set -euo pipefail
cd "$(dirname "$0")/../.."
list=$PWD/harness/mutants/signs.txt
every=${1:-1} next=${2:-1}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git clone --quiet . "$work/copy"
cd "$work/copy"
export CARGO_TARGET_DIR=${MUTANTS_TARGET_DIR:-$work/target}

# Compiled in seconds: most of the time goes into compiling.
run() {
    cargo test --quiet --locked --package lstm --config 'profile.test.opt-level=0' \
        --config 'profile.test.debug=0' "$@"
}
# The fastest that finds most of them comes first; `not` if some test failed, not if it was not compiled.
finds() {
    for tests in "--test gradchecks $first" "--test gradchecks -- --skip more_steps" \
        "--test gradchecks more_steps" "--test masks" "--lib engine"; do
        # shellcheck disable=SC2086 # words
        run $tests >"$work/log" 2>&1 && continue
        grep -q '^test result: FAILED' "$work/log" && return 0
        cat "$work/log"
        exit 2
    done
    return 1
}

first=sequences
! finds || { echo "tests fail without an error, too"; cat "$work/log"; exit 2; }
at=0 found=0 survived=0 file= old= which=
while IFS= read -r line; do
    case $line in
    "@ "*) read -r _ file first _ <<<"$line sequences" ;;
    -*) old=${line#* } which=${line%% *} which=${which#-} ;;
    "+ "*)
        at=$((at + 1))
        [ "$at" -eq "$next" ] || continue
        next=$((next + every))
        new=${line#+ }
        OLD=$old NEW=$new WHICH=${which:-0} awk '
            { text = $0; sub(/^ +/, "", text) }
            text == ENVIRON["OLD"] {
                seen++
                if (ENVIRON["WHICH"] == 0 || ENVIRON["WHICH"] == seen) { done++; $0 = ENVIRON["NEW"] }
            }
            { print }
            END { exit done != 1 }' "$file" >"$work/mutant" || { echo "$file: not one line: $old"; exit 2; }
        cp "$work/mutant" "$file"
        if finds; then
            found=$((found + 1))
            echo "$at found by $(grep -m1 -oE '^    [a-z_:]+$' "$work/log" | xargs)" >&2
        else
            survived=$((survived + 1))
            printf 'survived in %s:\n  %s\n' "$file" "$new"
        fi
        git checkout --quiet -- "$file"
        ;;
    esac
done <"$list"
echo "$((found + survived)) errors planted, $found found, $survived survived"
[ "$survived" -eq 0 ]
