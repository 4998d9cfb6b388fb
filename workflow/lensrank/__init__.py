"""lensrank: from FITS cutouts to a ranked catalogue of strong-lens candidates."""

__version__ = "0.1.0"
