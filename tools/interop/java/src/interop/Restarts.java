package interop;

import static interop.Context.message;

import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendStatus;

/** Servers that go away and come back. */
final class Restarts {
    static final List<Scenario> ALL = List.of(
        Scenario.alone("restart/offsets-outlive-a-clean-stop", c -> offsets(c, "stop")),
        Scenario.alone("restart/offsets-outlive-kill-9", c -> offsets(c, "kill")),
        Scenario.alone("restart/broker-killed-under-load", Restarts::underLoad),
        Scenario.alone("restart/one-name-server-of-two-down", Restarts::oneNameServer));

    private Restarts() {}

    private static void offsets(Context c, String how) throws Exception {
        String topic = c.topic(2);
        String group = c.unique("G");
        List<String> seen = c.sendMany(topic, "seen", 40);
        Received first = new Received();
        DefaultMQPushConsumer before = first.by(c.newPush(group));
        before.setPersistConsumerOffsetInterval(1_000);
        before.subscribe(topic, "*");
        before.start();
        first.awaitAll(seen);
        before.shutdown();
        List<String> missed = c.sendMany(topic, "missed", 40);
        // What a broker may forget in a crash: ours a second of progress, Java five.
        Thread.sleep(how.equals("stop") ? 0 : c.ours ? 1_500 : 6_000);
        c.harness.ask(how + " broker-0");
        c.harness.ask("start broker-0");
        c.awaitRoute(topic, c.brokers);

        Received second = new Received();
        DefaultMQPushConsumer after = second.by(c.newPush(group));
        after.subscribe(topic, "*");
        after.start();
        second.awaitAll(missed);
        Check.same(new TreeSet<>(missed), second.bodies(), "messages after the restart");
        c.stored(topic, 80);
        second.awaitAll(c.sendMany(topic, "new", 20));
        c.stored(topic, 100);
    }

    private static void underLoad(Context c) throws Exception {
        String topic = c.topic(4);
        Received received = new Received();
        DefaultMQPushConsumer consumer = received.by(c.newPush(c.unique("G")));
        consumer.setHeartbeatBrokerInterval(1_000);
        consumer.subscribe(topic, "*");
        consumer.start();
        DefaultMQProducer producer = c.newProducer();
        producer.setPollNameServerInterval(1_000);
        producer.setSendMsgTimeout(1_000);
        producer.start();

        Set<String> acknowledged = new ConcurrentSkipListSet<>();
        AtomicBoolean stop = new AtomicBoolean();
        AtomicInteger refused = new AtomicInteger();
        Thread load = new Thread(() -> {
            for (int i = 0; !stop.get(); i++) {
                try {
                    if (producer.send(message(topic, "TagA", "load" + i)).getSendStatus() == SendStatus.SEND_OK) {
                        acknowledged.add("load" + i);
                    }
                } catch (Exception e) {
                    refused.incrementAndGet();
                    pause(20);
                }
            }
        });
        load.start();
        try {
            Check.await(() -> "the load running", () -> acknowledged.size() >= 500 && received.size() > 0);
            for (int round = 0; round < 2; round++) {
                c.harness.ask("kill broker-0");
                c.harness.ask("start broker-0");
                int before = acknowledged.size();
                Check.await(() -> "sends acknowledged again; refused " + refused, () -> acknowledged.size() >= before + 300);
            }
            // The restarted broker must be in use again, not only its neighbour.
            Check.await(() -> "a message on every broker again", () -> brokersUsed(c, producer, topic, acknowledged) == c.brokers);
        } finally {
            stop.set(true);
            load.join();
        }
        received.awaitAll(acknowledged);
    }

    private static long brokersUsed(Context c, DefaultMQProducer producer, String topic, Set<String> acknowledged) throws Exception {
        Set<String> used = new TreeSet<>();
        for (var queue : c.queues(topic)) {
            String body = c.unique("probe");
            if (producer.send(message(topic, "TagA", body), queue).getSendStatus() == SendStatus.SEND_OK) {
                acknowledged.add(body);
                used.add(queue.getBrokerName());
            }
        }
        return used.size();
    }

    private static void oneNameServer(Context c) throws Exception {
        String topic = c.topic(1);
        Received received = new Received();
        DefaultMQPushConsumer consumer = received.by(c.newPush(c.unique("G")));
        consumer.subscribe(topic, "*");
        consumer.start();
        received.awaitAll(c.sendMany(topic, "both", 20));
        for (int down = 0; down < 2; down++) {
            c.harness.ask("kill namesrv-" + down);
            received.awaitAll(c.sendMany(topic, "without" + down, 20));
            // A client that starts now, and a topic nobody has asked for yet, need the one that is left.
            DefaultMQProducer late = c.newProducer();
            late.start();
            String fresh = c.unique("fresh");
            Check.await(() -> "a send to a new topic", () -> late.send(message(fresh, "", "x")).getSendStatus() == SendStatus.SEND_OK);
            c.harness.ask("start namesrv-" + down);
        }
        c.harness.ask("stop broker-0");
        c.harness.ask("start broker-0");
        received.awaitAll(c.sendMany(topic, "again", 20));
    }

    private static void pause(long ms) {
        try {
            Thread.sleep(ms);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
