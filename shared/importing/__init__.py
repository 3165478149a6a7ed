"""Imports of any size: a file becomes a job that is worked off in small transactions, watched, and never done twice.

reading  CSV and XLSX files as rows of text, however large, in little memory
tables   jobs, blocks of rows, faults, as migrations make them
jobs     the job's tables: its blocks of rows, how far it has come, and what was wrong
worker   works jobs off, block by block; after a crash those are left that were not done

A service says in a `Target` what one batch of rows does; nothing here knows a register.
"""
