"""resarray: residual networks on FPGAs, bit for bit.

The source folders at the top of the repository are its subpackages: ``resarray.spec`` lives in
``spec/``, ``resarray.golden`` in ``golden/`` and so on (see ``pyproject.toml``).
"""

__version__ = "0.1.0"
