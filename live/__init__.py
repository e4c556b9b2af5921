"""What lies behind the live table: the poll and the mirror rule, their process, and what viewers share."""
