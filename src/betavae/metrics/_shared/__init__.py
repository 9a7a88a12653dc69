"""What several metrics use: checks, binning, classifiers, intervals. Not public."""
