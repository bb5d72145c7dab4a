#!/usr/bin/env bash
# Fuzzes each target for some seconds: `fuzz/run.sh <seconds> [target…]`. Fails if an input breaks a
# rule; that input is in fuzz/artifacts then. What the runs printed is in $FUZZ_LOGS, fuzz/artifacts
# if it is not set. FUZZ_FEATURES=serde-json-features switches on features of serde_json.
set -euo pipefail

cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")"
ROOT=$(dirname "$PWD")
seconds=${1:?how many seconds for each target}
shift

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
logs=${FUZZ_LOGS:-$PWD/artifacts}
mkdir -p "$logs"
if ! cargo fuzz --version >/dev/null 2>&1; then
    export PATH=$CARGO_TARGET_DIR/tools/bin:$PATH
    if ! cargo fuzz --version >/dev/null 2>&1; then
        cargo install --quiet --locked --root "$CARGO_TARGET_DIR/tools" cargo-fuzz
    fi
fi

if (($# == 0)); then
    set -- $(basename --suffix .rs --multiple fuzz_targets/*.rs)
fi

# Without a sanitizer, so that a stable compiler will do: the code has no `unsafe`. What it needs of
# the compiler, the counters of edges, is there.
options=(--sanitizer none)
[[ -z ${FUZZ_FEATURES:-} ]] || options+=(--features "$FUZZ_FEATURES")

(cd "$ROOT" && FUZZ_CORPUS=$PWD/fuzz/corpus cargo test --quiet --test fuzz_bodies)
cargo fuzz build "${options[@]}"

failed=0
summary=$(printf '%-16s %12s %8s %8s %8s  %s' target executions edges features corpus verdict)
for target in "$@"; do
    log=$logs/$target.log verdict=ok
    cargo fuzz run "${options[@]}" "$target" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 \
        -use_value_profile=1 -print_final_stats=1 >"$log" 2>&1 || verdict=FAILED failed=1
    if [[ $verdict == FAILED ]]; then
        grep -vE '^#' "$log" | tail -n 40
    fi
    last=$(grep -E '^#[0-9]+.* cov: ' "$log" | tail -n 1 || true)
    field() { sed -nE "s/.* $1: ([0-9]+).*/\1/p" <<<"$last"; }
    executions=$(sed -nE 's/^stat::number_of_executed_units: +//p' "$log")
    summary+=$'\n'$(printf '%-16s %12s %8s %8s %8s  %s' "$target" "${executions:-?}" \
        "$(field cov)" "$(field ft)" "$(field corp)" "$verdict")
done
printf '%s\n' "$summary" | tee "$logs/summary.txt"
exit "$failed"
