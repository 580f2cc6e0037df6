"""Lowering to stacks of residual blocks: gated diagonal states, short convolutions, gates."""
