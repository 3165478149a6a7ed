"""`hamkor import`: files of people made into commands of the API.

files      CSV and XLSX into rows of text
columns    the columns a register's file has, by their names in four languages, and template files
rows       rows into checked entries; every fault names its row, its column and what to do
registers  what is compared and sent, for each register
run        many at once, resumable, with progress
report     what a person reads afterwards
"""
