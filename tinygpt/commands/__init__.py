"""What each command of `tinygpt` does; parsers/ reads their command lines."""
