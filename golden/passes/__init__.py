"""From a user's network, as a front end read it, to operators that can be quantised: passes from
one float graph to the next, each of which computes what the one before it does."""

from resarray.golden.float_graph import FloatGraph

from .activation_before_concat import activation_before_concat
from .activation_before_pool import activation_before_pool
from .activation_to_conv import activation_to_conv
from .adaptive_to_linear import adaptive_to_linear
from .affine_to_conv import affine_to_conv
from .average_to_conv import average_to_conv
from .check import check
from .copy_operands import copy_operands
from .drop_quantise import drop_quantise
from .fold_padding import fold_padding
from .functions import compose_functions, product_to_function
from .fuse_activation import fuse_activation
from .fuse_addition import fuse_addition
from .linear_to_conv import linear_to_conv
from .name_layers import name_layers
from .select_to_conv import select_to_conv
from .split_max_pool import split_max_pool
from .take_scales import take_scales

# In order. Convolutions first, so that what is behind them finds one; names last, since they count
# only what is left.
PASSES = (
    drop_quantise,
    adaptive_to_linear,
    linear_to_conv,
    average_to_conv,
    fold_padding,
    select_to_conv,
    product_to_function,
    compose_functions,
    affine_to_conv,
    activation_before_pool,
    activation_before_concat,
    fuse_activation,
    activation_to_conv,
    split_max_pool,
    copy_operands,
    take_scales,
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
