"""The standard library, written in LSRL: `std.lsrl`."""
