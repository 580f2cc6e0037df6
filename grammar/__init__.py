"""The grammar, as package data: `lsrl.lark`."""
