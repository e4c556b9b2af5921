"""TDengine's SQL: text into typed statements, and queries into DuckDB's SQL.

`scanner` makes tokens. `parser` reads a statement from them by the rules of `insert`, `ddl` and `queries`; expressions
are read by the sqlglot dialect in `dialect`. `select` translates a query: `expressions` resolves names and infers types
with the table of `functions`, `windows` does the window clauses, `values` the literals of INSERT.

Nothing here runs SQL. What cannot be translated raises.
"""
