#!/usr/bin/env bash
# Makes the files that the README names. SNARKJS is how to run snarkjs 0.7.6, e.g. "npx snarkjs".
set -euo pipefail
cd "$(dirname "$0")"
beacon=0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
run() { $SNARKJS "$@" > "$work/log" || { cat "$work/log"; exit 1; }; }

run powersoftau new bn128 4 "$work/0.ptau"
echo entropy | run powersoftau contribute "$work/0.ptau" "$work/1.ptau" --name=first
run powersoftau beacon "$work/1.ptau" "$work/2.ptau" "$beacon" 10
run powersoftau prepare phase2 "$work/2.ptau" small.ptau
run groth16 setup cubic.r1cs small.ptau "$work/0.zkey"
echo entropy | run zkey contribute "$work/0.zkey" "$work/1.zkey" --name=tax
echo entropy | run zkey contribute "$work/1.zkey" "$work/2.zkey" --name=welfare
run zkey beacon "$work/2.zkey" cubic.zkey "$beacon" 10 --name=beacon
run zkey verify cubic.r1cs small.ptau cubic.zkey
grep -A4 'contribution #' "$work/log" > contributions.txt
cp "$work/0.zkey" initial.zkey
run zkey export verificationkey cubic.zkey verification_key.json
run groth16 prove cubic.zkey cubic.wtns proof.json public.json
run groth16 verify verification_key.json public.json proof.json
