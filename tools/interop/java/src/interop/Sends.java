package interop;

import static interop.Context.message;
import static interop.Context.text;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Every way of sending, and what the broker refuses. */
final class Sends {
    static final List<Scenario> ALL = List.of(
        Scenario.beside("send/sync", Sends::sync),
        Scenario.beside("send/async", Sends::async),
        Scenario.beside("send/oneway", Sends::oneway),
        Scenario.beside("send/batch", Sends::batch),
        Scenario.beside("send/selector", Sends::selector),
        Scenario.beside("send/largest-body", Sends::largestBody),
        Scenario.beside("send/topic-permissions", Sends::withoutPermission));

    private static final int BODY_LIMIT = 4 * 1024 * 1024;
    private static final int MESSAGE_ILLEGAL = 13;
    private static final int NO_PERMISSION = 16;

    private Sends() {}

    private static void sync(Context c) throws Exception {
        String topic = c.topic(2);
        Map<MessageQueue, Long> next = new HashMap<>();
        Set<String> ids = new HashSet<>();
        for (int i = 0; i < 100; i++) {
            SendResult result = c.send(message(topic, "TagA", "sync " + i));
            long expected = next.getOrDefault(result.getMessageQueue(), 0L);
            Check.same(expected, result.getQueueOffset(), "queue offset in " + result.getMessageQueue());
            next.put(result.getMessageQueue(), expected + 1);
            Check.that(ids.add(result.getMsgId()), "message id is new: " + result.getMsgId());
            Check.that(ids.add(result.getOffsetMsgId()), "offset message id is new: " + result.getOffsetMsgId());
        }
        Check.same(2 * c.brokers, next.size(), "queues used");
        c.stored(topic, 100);
    }

    private static void async(Context c) throws Exception {
        String topic = c.topic(2);
        int count = 200;
        CountDownLatch answered = new CountDownLatch(count);
        AtomicReference<Throwable> failure = new AtomicReference<>();
        for (int i = 0; i < count; i++) {
            c.producer().send(message(topic, "TagA", "async " + i), new SendCallback() {
                @Override
                public void onSuccess(SendResult result) {
                    if (result.getSendStatus() != SendStatus.SEND_OK) {
                        failure.set(new AssertionError("status " + result.getSendStatus()));
                    }
                    answered.countDown();
                }

                @Override
                public void onException(Throwable e) {
                    failure.set(e);
                    answered.countDown();
                }
            });
        }
        Check.that(answered.await(30, TimeUnit.SECONDS), "all async sends answered, missing " + answered.getCount());
        Check.same(null, failure.get(), "failure of an async send");
        Set<String> bodies = c.stored(topic, count).stream().map(Context::text).collect(Collectors.toSet());
        Check.same(count, bodies.size(), "distinct messages stored");
    }

    private static void oneway(Context c) throws Exception {
        String topic = c.topic(2);
        for (int i = 0; i < 100; i++) {
            c.producer().sendOneway(message(topic, "TagA", "oneway " + i));
        }
        c.stored(topic, 100);
    }

    private static void batch(Context c) throws Exception {
        String topic = c.topic(2);
        List<Message> batch = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
            Message message = message(topic, "Tag" + i % 3, "batch " + i);
            message.setKeys("key" + i);
            message.putUserProperty("number", String.valueOf(i));
            batch.add(message);
        }
        SendResult result = c.producer().send(batch);
        Check.same(SendStatus.SEND_OK, result.getSendStatus(), "status of a batch");
        Check.same(50, result.getMsgId().split(",").length, "message ids of a batch");
        Check.same(50, result.getOffsetMsgId().split(",").length, "offset message ids of a batch");
        List<MessageExt> stored = c.stored(result.getMessageQueue(), 50);
        for (int i = 0; i < 50; i++) {
            MessageExt message = stored.get(i);
            Check.same("batch " + i, text(message), "body");
            Check.same(result.getQueueOffset() + i, message.getQueueOffset(), "queue offset");
            Check.same("key" + i, message.getKeys(), "keys");
            Check.same("Tag" + i % 3, message.getTags(), "tags");
            Check.same(String.valueOf(i), message.getUserProperty("number"), "user property");
            Check.same(result.getMsgId().split(",")[i], message.getMsgId(), "message id");
        }
        // A second batch follows the first without a gap.
        SendResult second = c.producer().send(List.of(message(topic, "TagA", "x"), message(topic, "TagA", "y")), result.getMessageQueue());
        Check.same(50L, second.getQueueOffset(), "first offset of the second batch");
    }

    private static void selector(Context c) throws Exception {
        String topic = c.topic(4);
        for (int i = 0; i < 40; i++) {
            int wanted = i % 4;
            SendResult result = c.producer().send(message(topic, "TagA", "select " + i),
                (queues, m, arg) -> queues.get((Integer) arg), wanted);
            List<MessageQueue> published = c.producer().fetchPublishMessageQueues(topic);
            Check.same(published.get(wanted), result.getMessageQueue(), "queue chosen by the selector");
        }
        for (MessageQueue queue : c.producer().fetchPublishMessageQueues(topic).subList(0, 4)) {
            List<Integer> order = c.stored(queue, 10).stream().map(m -> Integer.parseInt(text(m).substring(7))).collect(Collectors.toList());
            Check.same(order.stream().sorted().collect(Collectors.toList()), order, "order in " + queue);
        }
    }

    private static void largestBody(Context c) throws Exception {
        String topic = c.topic(1);
        DefaultMQProducer producer = c.newProducer();
        producer.setMaxMessageSize(2 * BODY_LIMIT);
        producer.setCompressMsgBodyOverHowmuch(Integer.MAX_VALUE);
        producer.start();
        byte[] body = new byte[BODY_LIMIT];
        new Random(1).nextBytes(body);
        SendResult result = producer.send(new Message(topic, body));
        Check.same(SendStatus.SEND_OK, result.getSendStatus(), "a body at the limit");
        List<MessageExt> stored = c.stored(result.getMessageQueue(), 1);
        Check.that(java.util.Arrays.equals(body, stored.get(0).getBody()), "the body at the limit comes back unchanged");

        MQBrokerException refused = Check.fails(MQBrokerException.class, "a body over the limit",
            () -> producer.send(new Message(topic, new byte[BODY_LIMIT + 1])));
        Check.same(MESSAGE_ILLEGAL, refused.getResponseCode(), "code for a body over the limit");
        // The connection is still good for the next one.
        Check.same(SendStatus.SEND_OK, producer.send(message(topic, "", "after")).getSendStatus(), "a send after the refusal");
    }

    private static void withoutPermission(Context c) throws Exception {
        String topic = c.topic(1);
        MessageQueue queue = c.send(message(topic, "TagA", "before")).getMessageQueue();
        permit(c, topic, 4);
        DefaultMQProducer fresh = c.newProducer();
        fresh.start();
        Check.await(() -> "a new producer finds no queue of a read-only topic", () -> {
            try {
                return fresh.fetchPublishMessageQueues(topic).isEmpty();
            } catch (MQClientException noRoute) {
                return true;
            }
        });
        c.stored(queue, 1);
        permit(c, topic, 2);
        MQBrokerException refused = Check.fails(MQBrokerException.class, "a pull from a write-only topic",
            () -> c.puller().pull(queue, "*", 0, 32));
        Check.same(NO_PERMISSION, refused.getResponseCode(), "code for a pull from a write-only topic");
    }

    private static void permit(Context c, String topic, int permission) throws Exception {
        for (String address : c.masters().values()) {
            c.admin().createAndUpdateTopicConfig(address, new TopicConfig(topic, 1, 1, permission));
        }
    }
}
