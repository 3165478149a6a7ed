"""Files that others made, as rows of text: whatever they hold, reading them takes little memory and ends.

problems   a file that cannot be read, by the rule it broke
delimited  CSV
workbooks  XLSX: its archive, its texts and its formats
cells      XLSX: the cells of a sheet

Rows come one by one, so a reader that has enough stops; nothing is laid out by where a file says that its cells are.
"""
