package interop;

import static interop.Context.message;
import static interop.Context.text;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Messages that wait: by level, between attempts, and what comes after the last one. */
final class Delays {
    static final List<Scenario> ALL = List.of(
        Scenario.beside("delay/level", Delays::level),
        Scenario.beside("delay/time-of-its-own", Delays::timed),
        Scenario.beside("retry/comes-again-later", Delays::retry),
        Scenario.beside("retry/dead-letter", Delays::deadLetter),
        Scenario.beside("retry/orderly-in-place", Delays::orderly));

    private Delays() {}

    private static void level(Context c) throws Exception {
        String topic = c.topic(1);
        Map<String, Long> arrived = new ConcurrentHashMap<>();
        DefaultMQPushConsumer consumer = c.newPush(c.unique("G"));
        consumer.subscribe(topic, "TagA");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            messages.forEach(m -> arrived.putIfAbsent(text(m) + "/" + m.getTopic() + "/" + m.getTags() + "/" + m.getKeys(), System.currentTimeMillis()));
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        long sent = System.currentTimeMillis();
        for (int level = 0; level <= 2; level++) {
            Message message = message(topic, "TagA", "level" + level);
            message.setKeys("key" + level);
            message.setDelayTimeLevel(level);
            c.send(message);
        }
        Check.await(() -> "three messages, not " + arrived, () -> arrived.size() == 3);
        long[] delays = {0, 1_000, 5_000};
        for (int level = 0; level <= 2; level++) {
            Long at = arrived.get("level" + level + "/" + topic + "/TagA/key" + level);
            Check.that(at != null, "level " + level + " with topic, tag and key, not " + arrived);
            Check.that(at - sent >= delays[level], "level " + level + " after " + delays[level] + " ms, not " + (at - sent));
        }
    }

    /** As properties, which every client can set; the setters came with 5.0. */
    private static void timed(Context c) throws Exception {
        String topic = c.topic(1);
        Map<String, Long> arrived = new ConcurrentHashMap<>();
        DefaultMQPushConsumer consumer = c.newPush(c.unique("G"));
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            messages.forEach(m -> arrived.putIfAbsent(text(m), System.currentTimeMillis()));
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        long sent = System.currentTimeMillis();
        Map<String, Map.Entry<String, Long>> times = Map.of(
            "seconds", Map.entry("TIMER_DELAY_SEC", 3L), "milliseconds", Map.entry("TIMER_DELAY_MS", 4_000L),
            "absolute", Map.entry("TIMER_DELIVER_MS", sent + 5_000), "past", Map.entry("TIMER_DELIVER_MS", sent - 5_000));
        for (var time : times.entrySet()) {
            Message message = message(topic, "", time.getKey());
            org.apache.rocketmq.common.message.MessageAccessor.putProperty(message, time.getValue().getKey(), time.getValue().getValue().toString());
            c.send(message);
        }
        Check.await(() -> "four messages, not " + arrived, () -> arrived.size() == 4);
        // RocketMQ's wheel turns once a second and fires up to one early.
        Map.of("seconds", 2_000L, "milliseconds", 3_000L, "absolute", 4_000L).forEach((body, least) ->
            Check.that(arrived.get(body) - sent >= least, body + " not before " + least + " ms, came after " + (arrived.get(body) - sent)));
    }

    private static void retry(Context c) throws Exception {
        String topic = c.topic(1);
        List<String> seen = new ArrayList<>();
        Map<Integer, Long> at = new ConcurrentHashMap<>();
        DefaultMQPushConsumer consumer = c.newPush(c.unique("G"));
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            MessageExt message = messages.get(0);
            synchronized (seen) {
                seen.add(text(message) + " " + message.getTopic() + " " + message.getReconsumeTimes() + " " + message.getTags());
            }
            at.put(message.getReconsumeTimes(), System.currentTimeMillis());
            context.setDelayLevelWhenNextConsume(1);
            return message.getReconsumeTimes() < 2 ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        c.send(message(topic, "TagB", "again"));
        Check.await(() -> "three attempts, not " + seen, () -> at.containsKey(2));
        Check.same(List.of("again " + topic + " 0 TagB", "again " + topic + " 1 TagB", "again " + topic + " 2 TagB"), seen, "attempts");
        Check.that(at.get(1) - at.get(0) >= 1_000 && at.get(2) - at.get(1) >= 1_000, "a second between attempts: " + at);
    }

    private static void deadLetter(Context c) throws Exception {
        String topic = c.topic(1);
        String group = c.unique("G");
        DefaultMQPushConsumer consumer = c.newPush(group);
        consumer.setMaxReconsumeTimes(1);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            context.setDelayLevelWhenNextConsume(1);
            return ConsumeConcurrentlyStatus.RECONSUME_LATER;
        });
        consumer.start();
        c.send(message(topic, "TagA", "hopeless"));
        Received dead = new Received();
        DefaultMQPushConsumer undertaker = dead.by(c.newPush(c.unique("U")));
        undertaker.subscribe("%DLQ%" + group, "*");
        undertaker.start();
        dead.awaitAll(List.of("hopeless"));
    }

    private static void orderly(Context c) throws Exception {
        String topic = c.topic(1);
        List<String> done = new ArrayList<>();
        Map<String, Integer> attempts = new ConcurrentHashMap<>();
        DefaultMQPushConsumer consumer = c.newPush(c.unique("G"));
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
            String body = text(messages.get(0));
            if (body.equals("m3") && attempts.merge(body, 1, Integer::sum) < 3) {
                context.setSuspendCurrentQueueTimeMillis(200);
                return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
            }
            synchronized (done) {
                done.add(body);
            }
            return ConsumeOrderlyStatus.SUCCESS;
        });
        var queue = c.queues(topic).get(0);
        List<String> sent = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            c.producer().send(message(topic, "", "m" + i), queue);
            sent.add("m" + i);
        }
        consumer.start();
        Check.await(() -> "ten messages, not " + done, () -> done.size() >= 10);
        Check.same(sent, done, "order in spite of a failure");
        Check.same(3, attempts.get("m3"), "attempts of the one that failed");
    }
}
