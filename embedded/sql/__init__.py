"""TDengine's SQL: text into typed statements, and queries into DuckDB's SQL.

`scanner` makes tokens, `reader` reads statements of DDL and INSERT from them, `dialect` is the sqlglot dialect that
reads expressions, `parser` puts them together; `functions` is the table of functions, `select` resolves names, infers
types and translates. Nothing here runs SQL. What cannot be translated raises.
"""
