"""The whole stack as children of one foreground process: see stack.Stack.

`make run`, `make loop` and the tests bring up their servers through the same code.
"""

from labeling.supervisor.stack import AlreadyRunning, Stack, StackError

__all__ = ["AlreadyRunning", "Stack", "StackError"]
