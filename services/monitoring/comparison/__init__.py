"""Comparison: places ranked with their uncertainty, beside their peers and targets, their spread, what stands out.

It reads values through `queries` alone, so that what is withheld there is withheld here, and takes no rank. `noise`,
`ranking`, `spread` and `course` are pure; `tables` reads and keeps; `targets` are the only thing stored.
"""
