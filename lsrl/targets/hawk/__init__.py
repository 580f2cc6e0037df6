"""`hawk`: the Hawk model of De et al. 2024 (arXiv:2402.19427), transformers' RecurrentGemma."""
