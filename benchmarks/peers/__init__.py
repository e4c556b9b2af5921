"""Others that show the newest rows of a table live, to measure beside this demo: no part of it, run by hand."""
