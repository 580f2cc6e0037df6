"""`mamba`: the Mamba block of Gu and Dao 2023 (arXiv:2312.00752), as transformers has it."""
