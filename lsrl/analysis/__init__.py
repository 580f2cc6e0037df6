"""Facts about programs, derived and never set by hand: ranges, lattices, kinds of states."""
