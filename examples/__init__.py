"""The examples, as package data of `lsrl.experiments`."""
