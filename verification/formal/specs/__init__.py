"""The properties, a module for each kind of unit; each has a list ``PROPERTIES``."""
