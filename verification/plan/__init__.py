"""docs/verification.md, made of the tests' marks and the results of campaigns."""
