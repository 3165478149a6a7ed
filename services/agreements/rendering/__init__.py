"""Printing a document's content as DOCX and PDF, each time in a process of its own.

The typesetter keeps what it has set in memory for ever, and nothing in Python ends a thread that takes too long: a
process that ends with its document has neither problem, and the service itself carries none of the libraries.
"""

NO_GLYPH = 3
"""How the process ends where a letter cannot be printed."""
