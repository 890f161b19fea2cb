"""Threads: conversations, whose tasks run one after another and know what was said before.

A thread is a list of tasks with numbers of their own (`seq`). What was said is not kept a second time: it is
what its tasks were asked, and what they answered.
"""

from ops_core.threads.entering import MAX_UNFINISHED, Entry, enter
from ops_core.threads.port import Message, NewThread, OnBusy, Thread, ThreadPage, ThreadStore
from ops_core.threads.service import MessagePage, Said, ThreadService

__all__ = [
    "MAX_UNFINISHED",
    "Entry",
    "Message",
    "MessagePage",
    "NewThread",
    "OnBusy",
    "Said",
    "Thread",
    "ThreadPage",
    "ThreadService",
    "ThreadStore",
    "enter",
]
