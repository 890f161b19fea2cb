/* Generated from ops_core.task.TRANSITIONS by tests/crash/log_trace.py: do not edit. */
mtype = { pending, running, waiting, completed, failed, cancelled };
#define ALLOWED(a, b) ((a == pending && b == running) || (a == pending && b == failed) || (a == pending && b == cancelled) || (a == running && b == pending) || (a == running && b == waiting) || (a == running && b == completed) || (a == running && b == failed) || (a == running && b == cancelled) || (a == waiting && b == pending) || (a == waiting && b == failed) || (a == waiting && b == cancelled))
#define TERMINAL(a) (a == completed || a == failed || a == cancelled)
#define REOPENED(a) (a == failed || a == cancelled)
