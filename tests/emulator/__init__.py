"""The parts of the local org."""
