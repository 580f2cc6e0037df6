"""The fused executor: a program as code that is vectorised over the batch and over time."""
