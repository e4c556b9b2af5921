"""Figures about the demo: speed, memory, endurance. Each module is a script with a --help."""
