"""Who says so: an identity token, and what is signed with it."""
