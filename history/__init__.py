"""A Perspective virtual server over TDengine: whole tables, of which only what is on the screen is ever read.

`handler` is what Perspective calls; `view` makes SQL of what is asked, `rows` and `pivots` read it. `pool` and `worker`
run handlers in processes of their own.
"""
