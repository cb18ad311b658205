package interop;

import java.util.Objects;
import java.util.concurrent.Callable;

/** Assertions whose message says what was expected; waiting is always for a condition, never for a time. */
final class Check {
    /**
     * How long any condition may take. Generous on purpose: a client whose heartbeat and rebalance meet keeps a stale
     * subscription version at one broker until its next heartbeat (answer 25 to its pulls; with Java's brokers too), and
     * rebalances only every 20 s.
     */
    private static final int PATIENCE_SECONDS = 150;

    private Check() {}

    static void that(boolean holds, String expectation) {
        if (!holds) {
            throw new AssertionError(expectation);
        }
    }

    static void same(Object expected, Object actual, String what) {
        if (!Objects.equals(expected, actual)) {
            throw new AssertionError(what + ": expected <" + expected + ">, got <" + actual + ">");
        }
    }

    /** Polls {@code condition} until it holds; {@code what} is evaluated for the failure only. */
    static void await(Callable<Object> what, Callable<Boolean> condition) throws Exception {
        long deadline = System.nanoTime() + PATIENCE_SECONDS * 1_000_000_000L;
        Exception last = null;
        while (System.nanoTime() < deadline) {
            try {
                if (condition.call()) {
                    return;
                }
                last = null;
            } catch (Exception e) {
                last = e;
            }
            Thread.sleep(20);
        }
        throw new AssertionError("not within " + PATIENCE_SECONDS + " s: " + what.call() + (last == null ? "" : "; last error " + last), last);
    }

    /** Runs {@code body}, which must fail with an exception of {@code kind}; returns it. */
    static <E extends Exception> E fails(Class<E> kind, String what, Callable<?> body) throws Exception {
        Object value;
        try {
            value = body.call();
        } catch (Exception e) {
            if (kind.isInstance(e)) {
                return kind.cast(e);
            }
            throw e;
        }
        throw new AssertionError(what + ": expected " + kind.getSimpleName() + ", got " + value);
    }
}
