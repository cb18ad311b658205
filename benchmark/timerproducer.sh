#!/bin/sh
# RocketMQ's TimerProducer: the same flags and lines, percentiles after them. See ringmq bench rmq-timer-producer -h.
# The binary: $RINGMQ, bin/ of an installation, a build of this tree, or the one on the PATH.
here=$(dirname "$0")
for binary in "$RINGMQ" "$here/../bin/ringmq" "$here/../target/release/ringmq"; do
    if [ -n "$binary" ] && [ -x "$binary" ]; then
        exec "$binary" bench rmq-timer-producer "$@"
    fi
done
exec ringmq bench rmq-timer-producer "$@"
