"""What a unit's ``elaborate`` is given to build itself from ECP5 primitives."""


class Ecp5:
    """Chooses the ECP5 flavour. Anything else in its place chooses the portable one."""
