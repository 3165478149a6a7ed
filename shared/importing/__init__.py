"""Imports of any size: a file becomes a job that is worked off in small transactions, watched, and never done twice.

reading  CSV and XLSX files as rows of text, however large, in little memory
jobs     the job's tables: its rows, how far it has come, and what was wrong
worker   works jobs off, batch by batch; after a crash the next batch is the first that was not done

A service says in a `Target` what one batch of rows does; nothing here knows a register.
"""
