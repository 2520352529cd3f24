"""The shared store: checkpoints that somebody has already made are taken instead of trained.

Keyed by spec digest, and below it by the digests of the inputs' stamps: a spec says how an encoder
and examples are made, not which bytes a download gave, so a checkpoint is only taken where it was
made of the very inputs that are here. Where an input is not here yet it is taken along. Everything
is verified by sha256 before it is put in place, the stamp last.

    <store>/checkpoints/<spec digest>/<digest of the inputs>/   stamp, weights, run record, curve
    <store>/inputs/<sha256 of the stamp>/                       encoders and training examples

What is kept: `entry`; where: `shelf`, which is a `folder` or a `bucket`. What is done: `taking`,
`giving`, `upkeep`, all three in a `run` and by `command`; `here` and `taken` tell what a study has.
"""
