"""Small changes to the design that the tests must notice."""

# What the campaign draws where nobody says otherwise: mutants of a preset's netlist, with a number.
MUTANTS, SEED = 255, 1
