"""Public builders, fakes and contract suites for tests; imported by no product code."""
