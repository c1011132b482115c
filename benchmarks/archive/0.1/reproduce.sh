#!/usr/bin/env bash
# The comparisons of version 0.1, with the losses of this one:
# benchmarks/archive/0.1/reproduce.sh digits|cifar10-subset|ranking OUT
# A comparison that is in OUT already goes on where it stopped.
set -euo pipefail
cd "$(dirname "$0")/../../.."
name=${1:?"name a benchmark: digits, cifar10-subset or ranking"}
out=${2:?"name a folder for the results"}
evoloss=${EVOLOSS:-evoloss}

# A loss nobody chose: the defaults, with a seed of its own.
fresh() {
    if [ ! -f "$out/fresh/config.json" ]; then
        "$evoloss" pretrain --out "$out/fresh" --seed 1
    fi
}

case "$name" in
ranking)
    "$evoloss" pretrain --out "$out/ranking" --seed 0 --eval-pairs 4096 --eval-every 300
    ;;
digits)
    fresh
    "$evoloss" compare --out "$out/digits" --dataset digits --model cnn --threads 1 --tune-lr \
        --losses cross_entropy label_smoothing evolved-base "$out/fresh" \
        --seeds 0 1 2 3 4 5 6 7 8 9
    ;;
cifar10-subset)
    "$evoloss" compare --out "$out/cifar10-subset" --dataset cifar10 --model resnet8 --train-samples 10000 \
        --validation 0.04 --epochs 10 --batch-size 128 --tune-lr --lr-grid 0.05 0.1 0.2 0.4 0.8 \
        --tune-seeds 1 --losses cross_entropy evolved-base --seeds 0 1 2 3 4
    ;;
*)
    echo "no benchmark $name; known: digits, cifar10-subset, ranking" >&2
    exit 2
    ;;
esac
