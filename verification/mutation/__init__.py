"""Small changes to the design that the tests must notice."""
