"""The command lines: each command's options, and the call that they end in.

What a command needs is imported when it runs, so that `tinygpt --help` answers at once.
"""
