"""What the commands build and wire."""
