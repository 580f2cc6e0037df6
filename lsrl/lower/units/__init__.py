"""Machines made of hidden units that read each other one step back: LSTM, GRU, RNN."""
