"""What leaves the system for others to work with: the data dictionary, the report of a period, the export to DHIS2.

Values come from the queries that pages and API read, so whatever those withhold is withheld here.
"""
