"""`python -m portway`."""

from portway.cli import main

main()
