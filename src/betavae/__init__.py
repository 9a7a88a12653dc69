"""Learn disentangled representations from images, and know how disentangled they are."""

__version__ = "0.1.0"
__all__ = ["__version__"]
