"""R12: the Board of Trustees – its members in term, its meetings with quorum, its decisions and their follow-up."""
