"""What every room stands on: errors, files, interrupts, processes, threads and progress bars."""
