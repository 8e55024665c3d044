"""Who may ask and how much, and what is told where something of ours breaks."""
