"""Bringing files in: what a file has to look like, its way through the portal, what became of its rows.

uploads  a form with a file, read as it comes: the file may be larger than memory
carried  a small file packed into the page, so that it is chosen once
columns  the columns a register's files have, in words
report   what the service said of the rows, and the faults as a file
jobs     large files: how far the service has come with one
routes   the pages
"""
