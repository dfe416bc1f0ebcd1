"""Read models: everything that can be read, each rebuildable from event 1."""
