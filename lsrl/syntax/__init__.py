"""From text to syntax tree (`parse`) and back (`format`)."""
