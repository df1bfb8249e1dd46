"""Reports of a sweep: one page that needs nothing else, and its tables in three more formats."""
