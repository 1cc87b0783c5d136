"""From a user's network, as a front end read it, to operators that can be quantised: passes from
one float graph to the next, each of which computes what the one before it does."""

from resarray.golden.float_graph import FloatGraph

from .batch_norm_to_conv import batch_norm_to_conv
from .check import check
from .fold_batch_norm import fold_batch_norm
from .fuse_activation import fuse_activation
from .fuse_addition import fuse_addition
from .linear_to_conv import linear_to_conv
from .name_layers import name_layers
from .select_to_conv import select_to_conv

# In order. Convolutions first, so that what is behind them finds one; names last, since they count
# only what is left.
PASSES = (
    linear_to_conv,
    select_to_conv,
    fold_batch_norm,
    batch_norm_to_conv,
    fuse_activation,
    check,
    name_layers,
)

__all__ = ["PASSES", "fuse_addition", "simplify", *(each.__name__ for each in PASSES)]


def simplify(graph: FloatGraph) -> FloatGraph:
    """``graph`` after all passes, its layers named as the report shows them.

    The tensors are still those of the network: `fuse_addition` follows only when their ranges are
    known. `ResarrayError` for what is not supported.
    """
    for each in PASSES:
        graph = each(graph)
    return graph
