"""The report of a period: what a ministry, region or district reads, prints and files; gathered, worded, typeset."""
