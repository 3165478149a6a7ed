"""Printing a document's content as DOCX and PDF, in a process of its own (shared/printing says why)."""
