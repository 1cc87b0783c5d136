"""A simulation's result as a page and as Markdown: hardware against software."""
