"""What people type: one module for each command, and `main` that puts them together."""
