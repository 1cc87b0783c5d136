"""Tests of `resarray.spec`."""
