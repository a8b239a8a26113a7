"""What a release claims about itself: manifest, statement, attribution."""
