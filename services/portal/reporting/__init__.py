"""Reports up the tree, publications with their revisions, and what changed between two moments, as pages."""
