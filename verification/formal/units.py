"""Sizes at which units are proven: the smallest at which every way of theirs can be gone."""

from dataclasses import replace

from resarray.spec.config import PRESETS, Config

# The smallest that `Config` allows: counters and pointers wrap as soon as they can, a burst is two
# words, a queue two instructions. Widths of words, addresses and instructions are the real ones.
SMALL: Config = replace(
    PRESETS["tiny"],
    name="small",
    acc_depth=16,
    input_words=256,
    weight_words=4,
    residual_words=4,
    output_words=4,
    pool_words=8,
    scratch_words=4,
    burst_words=2,
    max_reads=2,
    queue_depth=2,
    profile_marks=16,
)
