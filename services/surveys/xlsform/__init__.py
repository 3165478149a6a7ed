"""Instruments as XLSForm workbooks, the convention of ODK and KoboToolbox: out, to come back in as the same; and in.

What the convention has no word for – dimensions, scores, scales – stands in columns that begin with `hamkor`, which
its tools pass over. A pair or a matrix is a group of select_one rows named `code.part`.
"""
