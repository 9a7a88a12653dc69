"""Training objectives: pure functions of (model, images, step) that return named terms."""
