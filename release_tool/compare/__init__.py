"""What changed between two models and their releases; decides nothing, and trusts neither."""
