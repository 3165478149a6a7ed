"""The chassis every service stands on; it knows no business word outside `contracts/` and never imports services."""
