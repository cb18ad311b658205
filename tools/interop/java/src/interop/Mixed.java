package interop;

import static interop.Context.message;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.MessageQueue;

/** Brokers of both makes in one cluster. */
final class Mixed {
    static final List<Scenario> ALL = List.of(
        Scenario.beside("mixed/one-topic-on-both-makes", Mixed::both),
        Scenario.alone("mixed/each-make-leaves-and-returns", Mixed::leaves));

    private Mixed() {}

    private static void both(Context c) throws Exception {
        Map<String, String> masters = c.masters();
        Check.same(c.brokers, masters.size(), "masters the name server lists");
        String topic = c.topic(2);
        Set<String> used = new TreeSet<>();
        Received received = new Received();
        DefaultMQPushConsumer consumer = received.by(c.newPush(c.unique("G")));
        consumer.subscribe(topic, "*");
        consumer.start();
        Set<String> sent = new TreeSet<>();
        for (int i = 0; i < 60; i++) {
            SendResult result = c.send(message(topic, "TagA", "mixed" + i));
            used.add(result.getMessageQueue().getBrokerName());
            sent.add("mixed" + i);
        }
        Check.same(masters.keySet(), used, "brokers a producer uses");
        received.awaitAll(sent);
        for (SendResult result : List.of(c.send(message(topic, "", "a")), c.send(message(topic, "", "b")))) {
            Check.that(c.producer().viewMessage(topic, result.getOffsetMsgId()) != null, "a message by its id");
        }
    }

    private static void leaves(Context c) throws Exception {
        String topic = c.topic(2);
        for (int server = 0; server < 2; server++) {
            String name = "broker-" + server;
            c.harness.ask("stop " + name);
            Check.await(() -> name + " gone from the route", () -> c.admin().examineTopicRouteInfo(topic).getQueueDatas().stream().noneMatch(q -> belongs(q.getBrokerName(), name)));
            c.harness.ask("start " + name);
            c.awaitRoute(topic, c.brokers);
            for (MessageQueue queue : c.queues(topic)) {
                Check.await(() -> "a send to " + queue, () -> c.producer().send(message(topic, "", "back"), queue).getSendStatus() == SendStatus.SEND_OK);
            }
        }
    }

    /** A shard's broker name starts with its node's. */
    private static boolean belongs(String broker, String node) {
        return broker.equals(node) || broker.startsWith(node + "-");
    }
}
