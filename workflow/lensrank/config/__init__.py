"""The configuration: its model, its reading, and the pages generated from it."""
