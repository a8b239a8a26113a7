"""Values, errors and file discipline that every stage shares; standard library only."""
