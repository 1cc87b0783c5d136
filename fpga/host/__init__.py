"""Host software: one interface to a board and to the simulation."""
