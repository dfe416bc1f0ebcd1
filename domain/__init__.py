"""What jobs are and how they go: pure rules, without clock, chance or I/O."""
