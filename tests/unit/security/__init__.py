"""Who may subscribe, and who says so."""
