package interop;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * Runs scenarios with the client library on the class path against the servers named by
 * {@code --namesrv A;B --cluster NAME --brokers N --servers ours|java --only a,b}; {@code --calm} leaves out what stops servers,
 * {@code --prefix} goes before their names.
 */
public final class Main {
    private static final int BESIDE_EACH_OTHER = 6;

    private Main() {}

    public static void main(String[] args) throws Exception {
        Map<String, String> options = new HashMap<>();
        for (int i = 0; i + 1 < args.length; i += 2) {
            options.put(args[i], args[i + 1]);
        }
        Harness harness = new Harness();
        List<Scenario> chosen = chosen(options.getOrDefault("--only", ""), options.get("--set"));
        if ("java".equals(options.get("--servers")) && "ROCKETMQ".equals(System.getProperty("rocketmq.serialize.type"))) {
            chosen.removeIf(s -> s.name().startsWith("pop/")); // the codec cuts their codes, and Java's broker does not know what is left
        }
        if (options.containsKey("--calm")) {
            chosen.removeIf(Scenario::alone);
        }
        String prefix = options.getOrDefault("--prefix", "");
        chosen.replaceAll(s -> new Scenario(prefix + s.name(), s.alone(), s.body()));
        chosen.forEach(scenario -> harness.say("PLAN " + scenario.name()));
        Context context = new Context(harness, options);

        ExecutorService pool = Executors.newFixedThreadPool(BESIDE_EACH_OTHER);
        chosen.stream().filter(s -> !s.alone()).forEach(s -> pool.submit(() -> run(harness, context, s)));
        pool.shutdown();
        pool.awaitTermination(1, TimeUnit.HOURS);
        chosen.stream().filter(Scenario::alone).forEach(s -> run(harness, context, s));
        harness.say("END");
        System.exit(0); // the clients' timer threads are not daemons
    }

    private static List<Scenario> chosen(String only, String set) {
        List<Scenario> all = new ArrayList<>();
        if ("mixed".equals(set)) {
            all.addAll(Mixed.ALL);
        } else if ("kinds".equals(set)) {
            all.addAll(Kinds.ALL);
        } else {
            Stream.of(Sends.ALL, Messages.ALL, Pushes.ALL, Pulls.ALL, Topics.ALL, Delays.ALL, Pops.ALL, Transactions.ALL, Asks.ALL, Restarts.ALL).forEach(all::addAll);
        }
        if (!only.isEmpty()) {
            List<String> names = List.of(only.split(","));
            all.removeIf(scenario -> names.stream().noneMatch(scenario.name()::contains));
        }
        return all;
    }

    private static void run(Harness harness, Context shared, Scenario scenario) {
        long start = System.nanoTime();
        String outcome = "PASS " + scenario.name();
        String detail = "";
        try (Context context = shared.fork(scenario.name())) {
            scenario.body().run(context);
        } catch (Throwable failure) {
            outcome = "FAIL " + scenario.name();
            detail = " " + failure;
            StringWriter trace = new StringWriter();
            failure.printStackTrace(new PrintWriter(trace));
            System.err.println(scenario.name() + "\n" + trace);
        }
        harness.say(outcome + " " + (System.nanoTime() - start) / 1_000_000 + detail);
    }
}
