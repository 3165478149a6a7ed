"""Anonymous answers for statisticians: which variables there are, what stands in each cell, and files of four kinds."""
