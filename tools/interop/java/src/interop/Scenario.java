package interop;

/** One thing a user does with the client; it throws if the servers do not behave. */
record Scenario(String name, boolean alone, Body body) {
    @FunctionalInterface
    interface Body {
        void run(Context context) throws Exception;
    }

    /** May run beside others: touches only topics and groups of its own. */
    static Scenario beside(String name, Body body) {
        return new Scenario(name, false, body);
    }

    /** Stops servers, so it runs alone, after the others. */
    static Scenario alone(String name, Body body) {
        return new Scenario(name, true, body);
    }
}
