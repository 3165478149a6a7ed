"""Pages of what others work with: the report of a period, the data dictionary, the export to DHIS2."""
