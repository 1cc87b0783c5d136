"""The one exception a user sees: a sentence, never a traceback."""


class ResarrayError(Exception):
    """What was given, what is allowed, what to do, in one clear sentence.

    The command line prints it and exits with status 2. Everything else that escapes is a bug.
    """
