"""Figures by name: from run folders, or files of codes, to a picture and its numbers."""
