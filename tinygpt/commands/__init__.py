"""What each command of `tinygpt` does; the command line itself is read in cli.py."""
