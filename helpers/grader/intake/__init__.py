"""What was handed in, found and read: every folder, archive and notebook is hostile until proven otherwise."""
