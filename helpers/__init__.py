"""What the labs import, and the grader beside it.

The textbook shelf stands here: `losses`, `labels`, `training`, `evaluation`, with `models`, `tiers` and `plots`. The
rooms behind it: `data` (texts and languages), `reasoning` (chain of thought), `engine` (what makes training fast),
`checks` (what looks at answers), `setup` (before a run), `experiments` (what writes results), `widgets` (explorers),
and `grader`, which no module that a student imports depends on.
"""
