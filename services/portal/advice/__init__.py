"""What to do, as pages: recommendations with their evidence and life, the rules with their settings and trials."""
