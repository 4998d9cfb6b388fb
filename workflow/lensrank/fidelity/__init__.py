"""How like the challenge's real images a simulated set is: measured on its files, beside figures of the real ones."""
