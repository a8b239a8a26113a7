"""What is pinned: one complete description of an export a recipe, with the source of each fact."""
