"""The ``resarray`` command."""
