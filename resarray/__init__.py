"""resarray: residual networks on FPGAs, bit for bit.

The source folders at the top of the repository are its subpackages: ``resarray/spec`` is a link to
``spec/``, ``resarray/golden`` to ``golden/`` and so on. Edit the folders at the top.
"""

__version__ = "0.1.0"
