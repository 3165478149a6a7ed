"""Pure rules of surveys: what an instrument is, which answers it accepts, what they score, and how a campaign lives."""
