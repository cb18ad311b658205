package interop;

import static interop.Context.message;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Push consumers of every kind. */
final class Pushes {
    static final List<Scenario> ALL = List.of(
        Scenario.beside("push/clustering-two-members-one-leaves", Pushes::clustering),
        Scenario.beside("push/broadcasting", Pushes::broadcasting),
        Scenario.beside("push/tags", Pushes::tags),
        Scenario.beside("push/tags-with-equal-hash", Pushes::equalHash),
        Scenario.beside("push/sql-filter", Pushes::sql),
        Scenario.beside("push/long-poll-wakes-at-once", Pushes::wakes),
        Scenario.beside("push/order-within-a-queue", Pushes::order),
        Scenario.beside("push/orderly", Pushes::orderly),
        Scenario.beside("push/orderly-two-members", Pushes::orderlyTwoMembers),
        Scenario.beside("push/from-first", c -> from(c, ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET)),
        Scenario.beside("push/from-last-on-a-young-topic", c -> from(c, ConsumeFromWhere.CONSUME_FROM_LAST_OFFSET)),
        Scenario.beside("push/from-timestamp-on-a-young-topic", c -> from(c, ConsumeFromWhere.CONSUME_FROM_TIMESTAMP)),
        Scenario.beside("push/offsets-outlive-the-client", Pushes::offsetsOutliveTheClient),
        Scenario.beside("push/send-back-is-accepted", Pushes::sendBack));

    private Pushes() {}

    private static void clustering(Context c) throws Exception {
        String topic = c.topic(4);
        String group = c.unique("G");
        Received left = new Received();
        Received right = new Received();
        DefaultMQPushConsumer leaver = left.by(c.newPush(group));
        DefaultMQPushConsumer stayer = right.by(c.newPush(group));
        for (DefaultMQPushConsumer consumer : List.of(leaver, stayer)) {
            consumer.subscribe(topic, "*");
            consumer.start();
        }
        int queues = 4 * c.brokers;
        Check.await(() -> "the queues shared evenly, not " + owned(leaver, topic) + " and " + owned(stayer, topic),
            () -> owned(leaver, topic) == queues / 2 && owned(stayer, topic) == queues / 2);

        List<String> first = c.sendMany(topic, "first", 200);
        Check.await(() -> "200 messages between two members, not " + (left.size() + right.size()), () -> union(left, right).containsAll(first));
        Check.that(left.size() > 0 && right.size() > 0, "both members got messages: " + left.size() + " and " + right.size());

        leaver.shutdown();
        Check.await(() -> "all queues with the one that stays, not " + owned(stayer, topic), () -> owned(stayer, topic) == queues);
        int before = left.size();
        List<String> second = c.sendMany(topic, "second", 200);
        right.awaitAll(second);
        Check.same(before, left.size(), "messages of the member that left");
        Check.that(union(left, right).containsAll(first), "nothing lost");
        Check.same(Set.of(), right.repeated(), "messages delivered twice to the one that stayed");
    }

    private static long owned(DefaultMQPushConsumer consumer, String topic) {
        return consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet().stream().filter(q -> q.getTopic().equals(topic)).count();
    }

    private static Set<String> union(Received... all) {
        Set<String> union = new HashSet<>();
        for (Received one : all) {
            union.addAll(one.bodies());
        }
        return union;
    }

    private static void broadcasting(Context c) throws Exception {
        String topic = c.topic(2);
        String group = c.unique("G");
        List<Received> members = List.of(new Received(), new Received());
        for (Received member : members) {
            DefaultMQPushConsumer consumer = member.by(c.newPush(group));
            Compat.broadcast(consumer);
            consumer.subscribe(topic, "*");
            consumer.start();
        }
        List<String> sent = c.sendMany(topic, "all", 100);
        for (Received member : members) {
            member.awaitAll(sent);
            Check.same(Set.of(), member.repeated(), "messages a member got twice");
        }
    }

    private static void tags(Context c) throws Exception {
        String topic = c.topic(2);
        Received two = new Received();
        Received all = new Received();
        DefaultMQPushConsumer chosen = two.by(c.newPush(c.unique("G")));
        chosen.subscribe(topic, "A || B");
        chosen.start();
        DefaultMQPushConsumer everything = all.by(c.newPush(c.unique("G")));
        everything.subscribe(topic, "*");
        everything.start();
        List<String> wanted = new ArrayList<>();
        List<String> sent = new ArrayList<>();
        for (int i = 0; i < 90; i++) {
            String tag = List.of("A", "B", "C").get(i % 3);
            c.send(message(topic, tag, tag + i));
            sent.add(tag + i);
            if (!tag.equals("C")) {
                wanted.add(tag + i);
            }
        }
        all.awaitAll(sent);
        two.awaitAll(wanted);
        Check.same(wanted.size(), two.size(), "messages with a chosen tag");
    }

    /** The broker filters by hash code only; the client compares the text. */
    private static void equalHash(Context c) throws Exception {
        Check.same("AaAa".hashCode(), "BBBB".hashCode(), "the example's hash codes");
        String topic = c.topic(1);
        Received received = new Received();
        DefaultMQPushConsumer consumer = received.by(c.newPush(c.unique("G")));
        consumer.subscribe(topic, "AaAa");
        consumer.start();
        for (int i = 0; i < 20; i++) {
            c.send(message(topic, i % 2 == 0 ? "AaAa" : "BBBB", "hash" + i));
        }
        c.send(message(topic, "AaAa", "last"));
        received.awaitAll(List.of("hash18", "last"));
        Check.await(() -> "11 messages, not " + received.bodies(), () -> received.size() == 11);
        Check.that(received.bodies().stream().noneMatch(b -> b.equals("hash1")), "no message of the other tag");
    }

    private static void sql(Context c) throws Exception {
        String topic = c.topic(1);
        DefaultMQPushConsumer wrong = c.newPush(c.unique("G"));
        wrong.subscribe(topic, MessageSelector.bySql("a >"));
        wrong.registerMessageListener((MessageListenerConcurrently) (messages, context) -> ConsumeConcurrentlyStatus.CONSUME_SUCCESS);
        Check.fails(MQClientException.class, "a filter that is none", () -> {
            wrong.start();
            return "started";
        });
        Received received = new Received();
        DefaultMQPushConsumer consumer = received.by(c.newPush(c.unique("G")));
        consumer.subscribe(topic, MessageSelector.bySql("a BETWEEN 3 AND 5 OR TAGS = 'last'"));
        consumer.start();
        for (int i = 0; i < 10; i++) {
            var message = message(topic, "TagA", "m" + i);
            message.putUserProperty("a", Integer.toString(i));
            c.send(message);
        }
        c.send(message(topic, "last", "end"));
        received.awaitAll(List.of("m3", "m4", "m5", "end"));
        Check.same(4, received.size(), "messages that the filter lets pass");
    }

    private static void wakes(Context c) throws Exception {
        String topic = c.topic(1);
        Map<String, Long> arrived = new ConcurrentHashMap<>();
        DefaultMQPushConsumer consumer = c.newPush(c.unique("G"));
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            messages.forEach(m -> arrived.putIfAbsent(Context.text(m), System.nanoTime()));
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        c.send(message(topic, "", "warm-up"));
        Check.await(() -> "the first message", () -> arrived.containsKey("warm-up"));
        AtomicLong quickest = new AtomicLong(Long.MAX_VALUE);
        for (int i = 0; i < 5; i++) {
            Thread.sleep(300); // lets the consumer's pull park at the broker; the check below does not depend on it
            String body = "ping" + i;
            long sent = System.nanoTime();
            c.send(message(topic, "", body));
            Check.await(() -> body, () -> arrived.containsKey(body));
            quickest.accumulateAndGet(arrived.get(body) - sent, Math::min);
        }
        // A poll that is not woken by the append is noticed after seconds; a second is ample on a busy machine.
        Check.that(quickest.get() < 1_000_000_000L, "a parked pull is woken by a send, took " + quickest.get() / 1_000_000 + " ms");
    }

    private static void order(Context c) throws Exception {
        String topic = c.topic(2);
        Received received = new Received();
        DefaultMQPushConsumer consumer = received.by(c.newPush(c.unique("G")));
        consumer.setConsumeThreadMin(1);
        consumer.setConsumeThreadMax(1);
        consumer.subscribe(topic, "*");
        List<String> sent = c.sendMany(topic, "before", 100);
        consumer.start();
        sent.addAll(c.sendMany(topic, "after", 100));
        received.awaitAll(sent);
        received.offsets().forEach((queue, offsets) -> {
            List<Long> sorted = new ArrayList<>(offsets);
            Collections.sort(sorted);
            Check.same(sorted, offsets, "order in " + queue);
            Check.same((long) sorted.size(), sorted.get(sorted.size() - 1) + 1, "offsets without a gap in " + queue);
        });
    }

    private static void orderly(Context c) throws Exception {
        String topic = c.topic(2);
        Received received = new Received();
        AtomicInteger suspended = new AtomicInteger();
        DefaultMQPushConsumer consumer = orderlyConsumer(c, c.unique("G"), topic, received, suspended);
        consumer.start();
        List<String> sent = c.sendMany(topic, "step", 60);
        received.awaitAll(sent);
        Check.that(suspended.get() > 0, "a suspended queue came again");
        Check.same(Set.of(), received.repeated(), "messages acknowledged twice");
        received.offsets().forEach((queue, offsets) -> {
            List<Long> sorted = new ArrayList<>(offsets);
            Collections.sort(sorted);
            Check.same(sorted, offsets, "order in " + queue);
        });
    }

    /** Every tenth message is first refused with "suspend the queue a moment". */
    private static DefaultMQPushConsumer orderlyConsumer(Context c, String group, String topic, Received received, AtomicInteger suspended) throws Exception {
        Set<String> seen = ConcurrentHashMap.newKeySet();
        DefaultMQPushConsumer consumer = c.newPush(group);
        consumer.subscribe(topic, "*");
        consumer.setSuspendCurrentQueueTimeMillis(50);
        consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
            for (MessageExt message : messages) {
                if (message.getQueueOffset() % 10 == 3 && seen.add(message.getMsgId())) {
                    suspended.incrementAndGet();
                    return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
                }
            }
            messages.forEach(received::add);
            return ConsumeOrderlyStatus.SUCCESS;
        });
        return consumer;
    }

    /** Locks: two members never hold one queue at a time, so that across both the order holds. */
    private static void orderlyTwoMembers(Context c) throws Exception {
        String topic = c.topic(2);
        String group = c.unique("G");
        Received received = new Received();
        DefaultMQPushConsumer one = orderlyConsumer(c, group, topic, received, new AtomicInteger());
        one.start();
        List<String> sent = c.sendMany(topic, "alone", 20);
        received.awaitAll(sent);
        DefaultMQPushConsumer two = orderlyConsumer(c, group, topic, received, new AtomicInteger());
        two.start();
        Check.await(() -> "queues shared, not " + owned(one, topic) + " and " + owned(two, topic),
            () -> owned(one, topic) == c.brokers && owned(two, topic) == c.brokers);
        sent.addAll(c.sendMany(topic, "together", 40));
        received.awaitAll(sent);
        for (Map.Entry<MessageQueue, List<Long>> queue : received.offsets().entrySet()) {
            List<Long> firsts = queue.getValue().stream().distinct().collect(Collectors.toList());
            List<Long> sorted = new ArrayList<>(firsts);
            Collections.sort(sorted);
            Check.same(sorted, firsts, "order of first deliveries in " + queue.getKey());
        }
    }

    /** On a young topic every starting point is the first message: nothing stored counts as offset 0. */
    private static void from(Context c, ConsumeFromWhere where) throws Exception {
        String topic = c.topic(2);
        List<String> old = c.sendMany(topic, "old", 20);
        Received received = new Received();
        DefaultMQPushConsumer consumer = received.by(c.newPush(c.unique("G")));
        consumer.setConsumeFromWhere(where);
        consumer.subscribe(topic, "*");
        consumer.start();
        received.awaitAll(old);
        received.awaitAll(c.sendMany(topic, "new", 20));
    }

    private static void offsetsOutliveTheClient(Context c) throws Exception {
        String topic = c.topic(2);
        String group = c.unique("G");
        Received first = new Received();
        DefaultMQPushConsumer before = first.by(c.newPush(group));
        before.subscribe(topic, "*");
        before.start();
        first.awaitAll(c.sendMany(topic, "seen", 60));
        before.shutdown();

        List<String> missed = c.sendMany(topic, "missed", 40);
        Received second = new Received();
        DefaultMQPushConsumer after = second.by(c.newPush(group));
        after.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        after.subscribe(topic, "*");
        after.start();
        second.awaitAll(missed);
        Check.same(new java.util.TreeSet<>(missed), second.bodies(), "messages after the restart");
    }

    private static void sendBack(Context c) throws Exception {
        String topic = c.topic(1);
        String group = c.unique("G");
        SendResult sent = c.send(message(topic, "TagA", "try again"));
        Map<String, String> outcome = new ConcurrentHashMap<>();
        DefaultMQPushConsumer consumer = c.newPush(group);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            for (MessageExt message : messages) {
                try {
                    consumer.sendMessageBack(message, 1);
                    outcome.put(message.getMsgId(), "accepted");
                } catch (Exception e) {
                    outcome.put(message.getMsgId(), e.toString());
                }
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        Check.await(() -> "the message at the listener", () -> outcome.containsKey(sent.getMsgId()));
        Check.same("accepted", outcome.get(sent.getMsgId()), "answer to a send-back");
    }
}
