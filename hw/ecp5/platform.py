"""What a unit's ``elaborate`` is given to build itself from ECP5 primitives."""


class Ecp5:
    """Chooses the ECP5 flavour. ``None`` in its place: the portable one, the default."""
