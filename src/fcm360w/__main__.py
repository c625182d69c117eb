"""`python -m fcm360w`: the command line."""

from fcm360w.cli import main

main()
