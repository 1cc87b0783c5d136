"""Tests of the benchmark's judgement; its figures come from running it."""
