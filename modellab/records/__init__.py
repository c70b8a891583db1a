"""What was measured, kept as facts that anybody can score again."""
