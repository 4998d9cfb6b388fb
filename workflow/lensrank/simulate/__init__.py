"""A survey made here: random scenes, ray-traced and imaged, written in the layout of the challenge."""
