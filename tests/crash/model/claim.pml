/* One task, two workers, upkeep, a broker and a client: who may write, and that nothing is forgotten.

   Time is left out: whatever may come (a death, a worker that is taken for dead and is not, a ring that is lost
   or doubled, a hand-over, a timer, a deadline, a cancellation, a retry) may come at any moment; UPSETS of these
   come, in any mixture, or fewer. Every d_step is one transaction of the store.

   Asserted: I3, one end a generation, which absorbs; I5, a committed step is never committed again; I7, only
   the holder of the epoch writes; I8, cancelled or completed, never both, and no claim after an accepted
   cancellation. And when nothing can happen any more (`timeout`), the task has ended: no ring, answer, timer,
   death or order was lost. A second search shows that the model has no cycle, so that moment always comes.

   Each switch leaves one rule of the design out; test_model.py shows that an assertion fails then. */

#include "moves.pml"

#ifndef FENCE
#define FENCE 1         /* an append and a settlement match owner and epoch */
#endif
#ifndef GUARD_CANCEL
#define GUARD_CANCEL 1  /* a cancellation decides under the lock of the row */
#endif
#ifndef GUARD_EXPIRE
#define GUARD_EXPIRE 1  /* so does a deadline */
#endif
#ifndef OWED_CANCEL
#define OWED_CANCEL 1   /* a run that would go on later is cancelled if a client was promised that */
#endif
#ifndef CHECK_SIGNAL
#define CHECK_SIGNAL 1  /* a settlement to waiting is a release when a signal came that the run has not read */
#endif
#ifndef READ_HISTORY
#define READ_HISTORY 1  /* what a run has read is what it found in the log, not what it has written since */
#endif
#ifndef WAKE
#define WAKE 1          /* an answer moves a task on that waits for one */
#endif
#ifndef TIMER
#define TIMER 1         /* upkeep moves a waiting task on when its time has come */
#endif
#ifndef RERING
#define RERING 1        /* upkeep rings again for a pending task */
#endif
#ifndef BURY
#define BURY 1          /* upkeep gives back the tasks of the dead */
#endif
#ifndef LISTED
#define LISTED 1        /* only a worker that upkeep can find dead may claim */
#endif
#ifndef REPLAY
#define REPLAY 1        /* a run starts behind the steps in the log */
#endif
#ifndef UPSETS
#define UPSETS 3
#endif

#define WORKERS 2
#define STEPS   2       /* of the program that is run, */
#define ANSWERS 2       /* which then waits until it has been given so many answers */

/* The row. */
mtype status = pending;
byte epoch, owner;      /* owner: 0 is nobody */
bool cancel_requested;
bool timed;             /* while waiting: for a time, not for answers */

/* Its log: finished steps, answers. The seq of the last answer stands for their number, and the other way. */
byte done, answers;
bool listed[WORKERS + 1];
byte rings = 1;

/* The world. */
byte upsets = UPSETS;
bool dead[WORKERS + 1];

/* What was told to others: only assertions read these. */
byte ends;
bool told_cancelled, promised;

inline move(to) {
    assert(ALLOWED(status, to));                             /* I3: an end absorbs */
    assert(!(told_cancelled && to == completed));            /* I8 */
    status = to; owner = 0; cancel_requested = false; timed = false;
    if
    :: TERMINAL(to) -> ends++; assert(ends == 1)             /* I3: one end a generation */
    :: else
    fi
}

inline ring() {
    if
    :: rings < 2 -> rings++
    :: else                                                  /* another one says nothing new */
    fi
}

#define HOLDS (status == running && (!FENCE || (owner == me && epoch == lease)))
#define OWNS  (owner == me && epoch == lease)

/* Where a settlement to `to` really leads, for a run that has read `read` answers. */
inline settle(to, sleeps) {
    if
    :: !HOLDS
    :: else ->
        assert(OWNS);                                        /* I7 */
        if
        :: OWED_CANCEL && cancel_requested && (to == pending || to == waiting) ->
            move(cancelled)
        :: else ->
            if
            :: CHECK_SIGNAL && to == waiting && read < answers -> move(pending)
            :: else -> move(to)
            fi;
            timed = sleeps && status == waiting
        fi
    fi
}

proctype Worker(byte me) {
    byte lease, read, at, heard;

idle:
    lease = 0; read = 0; at = 0; heard = 0;
end_idle:
    if
    :: d_step { !listed[me] -> listed[me] = true }; goto idle           /* a heartbeat */
    :: d_step { upsets > 0 -> upsets--; dead[me] = true }; goto dies
    :: d_step { rings > 0 -> rings--;
          if
          :: status == pending && (listed[me] || !LISTED) ->
              assert(ALLOWED(status, running));
              assert(!promised);                                        /* I8 */
              status = running; owner = me; epoch++; lease = epoch
          :: else -> listed[me] = true      /* it beats more often than anybody rings */
          fi };
        if
        :: lease == 0 -> goto idle
        :: else
        fi
    fi;
    d_step { read = answers; heard = answers; at = (REPLAY -> done : 0) };
runs:
    if
    :: d_step { !listed[me] -> listed[me] = true }; goto runs           /* a heartbeat */
    :: d_step { upsets > 0 -> upsets--; dead[me] = true }; goto dies
    :: d_step { at < STEPS ->                                           /* a step: an append */
          if
          :: HOLDS ->
              assert(OWNS);                                             /* I7 */
              assert(!told_cancelled);                                  /* I8 */
              assert(at == done);                                       /* I5 */
              done++; at++;
              if
              :: !READ_HISTORY -> read = answers
              :: else
              fi
          :: else -> lease = 0
          fi };
        if
        :: lease == 0 -> goto idle
        :: else -> goto runs
        fi
    :: d_step { at == STEPS && heard >= ANSWERS -> settle(completed, false) }
    :: d_step { at == STEPS && heard < ANSWERS -> settle(waiting, false) }
    :: d_step { at < STEPS && upsets > 0 -> upsets--; settle(waiting, true) }  /* it sleeps */
    :: d_step { at == 1 -> settle(failed, false) }
    :: d_step { upsets > 0 -> upsets--; settle(pending, false) }
    :: d_step { HOLDS && cancel_requested -> settle(cancelled, false) }        /* what a heartbeat said */
    fi;
    goto idle;
dies:
    /* Another process takes its place when upkeep has buried it. */
end_dies:
    !listed[me] -> dead[me] = false; goto idle
}

/* The dead, or one that only looks so. One transaction, under the lock of the worker's row. */
inline bury(who) {
    BURY && listed[who] && (dead[who] || upsets > 0) ->
    if
    :: !dead[who] -> upsets--
    :: else
    fi;
    if
    :: owner == who && OWED_CANCEL && cancel_requested -> move(cancelled)
    :: owner == who && !(OWED_CANCEL && cancel_requested) -> move(pending); ring()
    :: else
    fi;
    listed[who] = false
}

proctype Upkeep() {
    mtype seen;
end_upkeep:
    do
    :: d_step { RERING && status == pending && rings == 0 && (listed[1] || listed[2]) -> rings++ }
    :: d_step { TIMER && status == waiting && timed -> move(pending); ring() }
    :: d_step { bury(1) }
    :: d_step { bury(2) }
    :: d_step { upsets > 0 && !TERMINAL(status) -> upsets--; seen = status;
          if
          :: GUARD_EXPIRE -> move(failed)
          :: else
          fi };
        if
        :: d_step { !GUARD_EXPIRE -> move(failed) }
        :: else
        fi
    od
}

/* Loses and doubles rings. And at any moment the upsets may be over. */
proctype Weather() {
end_weather:
    do
    :: d_step { upsets > 0 && rings > 0 -> upsets--; rings-- }
    :: d_step { upsets > 0 && rings == 1 -> upsets--; rings++ }
    :: d_step { upsets > 0 -> upsets = 0 }
    od
}

proctype Answers() {
    byte given;
    do
    :: d_step { given < ANSWERS -> given++;
          answers++;
          if
          :: WAKE && status == waiting && !timed -> move(pending); ring()
          :: else
          fi }
    :: given == ANSWERS -> break
    od
}

/* `seen` is what the command found; without the lock it may be out of date by now. */
inline cancel() {
    if
    :: TERMINAL(seen)                                        /* refused */
    :: seen == running ->
        if
        :: status == running -> cancel_requested = true; promised = true
        :: else
        fi
    :: else -> move(cancelled); told_cancelled = true
    fi
}

proctype Client() {
    mtype seen;
    do
    :: d_step { upsets > 0 -> upsets--; seen = status;
          if
          :: GUARD_CANCEL -> cancel()
          :: else
          fi };
        if
        :: d_step { !GUARD_CANCEL -> cancel() }
        :: else
        fi
    :: d_step { upsets > 0 && REOPENED(status) -> upsets--;
          status = pending; ends = 0; told_cancelled = false; promised = false; ring() }
    :: break
    od
}

proctype Observer() {
    timeout -> assert(TERMINAL(status))
}

init {
    atomic { run Worker(1); run Worker(2); run Upkeep(); run Weather(); run Answers(); run Client();
             run Observer() }
}
