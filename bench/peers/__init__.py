"""
weatherd beside the programs that people would use instead: the same work, the same far end, the same hour.

    lines ─> peer ─> far end          lines       numbered documents of 300 bytes
                                      peer        a program, with its configuration, in a temporary folder
                                      far end     a process of its own (`sink`), which counts by number

`peer` says what is asked of a program; a module for each has its configuration and nothing else. `steady`, `flood`,
`backlog`, `starting` and `killing` are the kinds of work; none of them knows which program it measures. `tally` is the
arithmetic of what is lost or sent twice, `table` and `page` are what people read.
"""
