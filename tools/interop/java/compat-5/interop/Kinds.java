package interop;

import static interop.Context.message;
import static interop.Context.text;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Kinds of messages that need a topic or a broker of their own: on brokers with light queues, and ours with idempotent sends. */
final class Kinds {
    static final List<Scenario> ALL = List.of(
        Scenario.beside("kind/priority", Kinds::priority),
        Scenario.beside("kind/inner-batch", Kinds::innerBatch),
        Scenario.beside("kind/light-queues", Kinds::lightQueues),
        Scenario.beside("kind/same-key-twice", Kinds::sameKeyTwice));

    private Kinds() {}

    private static Message with(String topic, String body, String name, String value) {
        Message message = message(topic, "TagA", body);
        MessageAccessor.putProperty(message, name, value);
        return message;
    }

    private static void priority(Context c) throws Exception {
        String topic = c.topic(3);
        for (Map.Entry<Integer, Integer> one : Map.of(0, 0, 1, 1, 2, 2, 9, 2).entrySet()) {
            SendResult result = c.send(with(topic, "p" + one.getKey(), "_SYS_MSG_PRIORITY_", one.getKey().toString()));
            Check.same(one.getValue(), result.getMessageQueue().getQueueId(), "queue of priority " + one.getKey());
        }
        Message fifo = with(topic, "fifo", "_SYS_MSG_PRIORITY_", "2");
        MessageAccessor.putProperty(fifo, "__SHARDINGKEY", "k");
        MessageQueue first = c.queues(topic).stream().filter(q -> q.getQueueId() == 0).findFirst().orElseThrow();
        Check.same(0, c.producer().send(fifo, first).getMessageQueue().getQueueId(), "queue of a message with a sharding key");
        for (MessageExt stored : c.stored(topic, 5)) {
            Check.same(text(stored).equals("fifo"), stored.getProperty("_SYS_MSG_PRIORITY_") == null, "property of " + text(stored));
        }
    }

    private static void innerBatch(Context c) throws Exception {
        String topic = c.unique("T");
        TopicConfig config = new TopicConfig(topic, 1, 1, 6);
        config.setAttributes(Map.of("+queue.type", "BatchCQ"));
        for (String address : c.masters().values()) {
            c.admin().createAndUpdateTopicConfig(address, config);
        }
        c.awaitRoute(topic, c.brokers);
        List<String> bodies = new ArrayList<>();
        MessageQueue queue = c.queues(topic).get(0);
        for (int batch = 0; batch < 3; batch++) {
            List<Message> messages = new ArrayList<>();
            for (int i = 0; i < 5; i++) {
                String body = "b" + batch + "-" + i;
                messages.add(message(topic, "TagA", body));
                bodies.add(body);
            }
            SendResult result = c.producer().send(messages, queue);
            Check.same(5L * batch, result.getQueueOffset(), "offset of a batch");
        }
        Check.await(() -> "15 messages, not " + c.drain(queue, 0).size(), () -> c.drain(queue, 0).size() == 15);
        List<MessageExt> all = c.drain(queue, 0);
        Check.same(bodies, all.stream().map(Context::text).collect(Collectors.toList()), "bodies");
        for (int i = 0; i < all.size(); i++) {
            Check.same((long) i, all.get(i).getQueueOffset(), "offset of " + text(all.get(i)));
        }
        Check.same(15L, c.puller().maxOffset(queue), "end of the queue");
        Check.same(10, c.drain(queue, 7).size(), "from within a batch the whole of it comes");
        Received received = new Received();
        String group = c.unique("G");
        DefaultMQPushConsumer consumer = received.by(c.newPush(group));
        consumer.subscribe(topic, "*");
        consumer.start();
        received.awaitAll(bodies);
        consumer.shutdown();
        Check.await(() -> "15 committed, not " + c.committed(group, topic), () -> c.committed(group, topic) == 15);
    }

    private static void lightQueues(Context c) throws Exception {
        String topic = c.topic(1);
        String both = "%LMQ%" + c.unique("a");
        String some = "%LMQ%" + c.unique("b");
        List<String> bodies = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            c.send(with(topic, "m" + i, "INNER_MULTI_DISPATCH", i % 2 == 0 ? both + "," + some : both));
            bodies.add("m" + i);
        }
        check(c, topic, Map.of(both, bodies, some, List.of("m0", "m2", "m4")));
    }

    private static void check(Context c, String topic, Map<String, List<String>> expected) throws Exception {
        // A client learns the broker's address with the route of a topic: light queues have none.
        c.stored(topic, expected.values().stream().mapToInt(List::size).max().orElse(0));
        String broker = c.queues(topic).get(0).getBrokerName();
        for (Map.Entry<String, List<String>> one : expected.entrySet()) {
            MessageQueue queue = new MessageQueue(one.getKey(), broker, 0);
            Check.await(() -> one.getValue().size() + " in " + queue, () -> c.drain(queue, 0).size() >= one.getValue().size());
            List<String> bodies = c.drain(queue, 0).stream().map(Context::text).collect(Collectors.toList());
            Check.same(one.getValue(), bodies, "messages in " + queue);
        }
    }

    /** RocketMQ stores a message twice that is sent twice; ours with {@code dedup.window} answers the second time as the first. */
    private static void sameKeyTwice(Context c) throws Exception {
        String topic = c.topic(4);
        Message message = message(topic, "TagA", "once");
        SendResult first = c.send(message);
        SendResult again = c.send(message);
        Check.same(first.getMsgId(), again.getMsgId(), "the client's id of a message that is sent twice");
        Check.same(c.ours, first.getOffsetMsgId().equals(again.getOffsetMsgId()), "one place for both");
        Check.same(c.ours, first.getMessageQueue().equals(again.getMessageQueue()), "whatever queue the second one named");
        c.stored(topic, c.ours ? 1 : 2);
    }
}
