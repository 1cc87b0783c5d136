"""Which lines, toggles and functions the tests reached."""
