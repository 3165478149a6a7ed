"""The export to DHIS2: places, definitions and values in the JSON that its own imports take.

A district health office, a donor or a statistics committee that runs DHIS2 imports the metadata once
(`POST /api/metadata`), then the values of a period whenever it likes (`POST /api/dataValueSets`).
"""
