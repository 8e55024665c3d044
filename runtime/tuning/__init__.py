"""What widths cost on this machine in, which to use out."""
