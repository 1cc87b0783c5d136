"""PyTorch golden models: float network, quantisation, integer graph and its references."""

import os

# Before torch is imported: its threads sleep instead of spinning while they wait, which makes a
# training step three times as fast where the cores are shared.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
