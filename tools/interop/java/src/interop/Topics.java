package interop;

import static interop.Context.message;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.TopicConfig;

/** How topics come to be and go. */
final class Topics {
    static final List<Scenario> ALL = List.of(
        Scenario.beside("topic/made-by-the-first-send", Topics::automatic),
        Scenario.beside("topic/made-by-create-topic", Topics::createTopic),
        Scenario.beside("topic/made-on-one-broker-only", Topics::oneBroker),
        Scenario.beside("topic/grows", Topics::grows),
        Scenario.beside("topic/deleted", Topics::deleted),
        Scenario.beside("topic/listed", Topics::listed));

    private Topics() {}

    /** Java makes it where the send arrives; a node of ours on every shard, so that no core stays idle. */
    private static void automatic(Context c) throws Exception {
        String topic = c.unique("auto");
        SendResult first = c.send(message(topic, "TagA", "creates it"));
        Check.same(0L, first.getQueueOffset(), "the first offset");
        c.awaitRoute(topic, c.ours ? c.brokers : 1);
        for (var queues : c.admin().examineTopicRouteInfo(topic).getQueueDatas()) {
            Check.same(4, queues.getWriteQueueNums(), "write queues of the client's default");
            Check.same(4, queues.getReadQueueNums(), "read queues of the client's default");
            Check.same(6, queues.getPerm(), "permission");
        }
        for (int i = 0; i < 20; i++) {
            c.send(message(topic, "TagA", "more" + i));
        }
        c.stored(topic, 21);
    }

    private static void createTopic(Context c) throws Exception {
        String topic = c.unique("T");
        Compat.createTopic(c.producer(), "TBW102", topic, 3);
        c.awaitRoute(topic, c.brokers);
        Check.same(3 * c.brokers, c.queues(topic).size(), "queues");
    }

    private static void oneBroker(Context c) throws Exception {
        String topic = c.unique("T");
        Map.Entry<String, String> master = c.masters().entrySet().stream().reduce((a, b) -> b).get();
        c.admin().createAndUpdateTopicConfig(master.getValue(), new TopicConfig(topic, 1, 1, 6));
        c.awaitRoute(topic, 1);
        SendResult result = c.send(message(topic, "", "here"));
        Check.same(master.getKey(), result.getMessageQueue().getBrokerName(), "the only broker");
        Check.same(1, c.queues(topic).size(), "the only queue");
    }

    private static void grows(Context c) throws Exception {
        String topic = c.topic(1);
        c.send(message(topic, "", "before"));
        for (String address : c.masters().values()) {
            c.admin().createAndUpdateTopicConfig(address, new TopicConfig(topic, 3, 3, 6));
        }
        Check.await(() -> "three queues per broker", () -> c.admin().examineTopicRouteInfo(topic).getQueueDatas().stream().allMatch(q -> q.getReadQueueNums() == 3));
        for (String address : c.masters().values()) {
            Check.same(3, c.admin().examineTopicConfig(address, topic).getReadQueueNums(), "queues in the broker's configuration");
        }
    }

    private static void deleted(Context c) throws Exception {
        String topic = c.topic(1);
        c.send(message(topic, "", "gone soon"));
        c.admin().deleteTopicInBroker(Set.copyOf(c.masters().values()), topic);
        Compat.deleteRoutes(c.admin(), Set.of(c.namesrv.split(";")), c.cluster, topic);
        Check.fails(MQClientException.class, "the route of a deleted topic", () -> c.admin().examineTopicRouteInfo(topic));
    }

    private static void listed(Context c) throws Exception {
        String topic = c.topic(1);
        Check.that(c.admin().fetchAllTopicList().getTopicList().contains(topic), "the topic list has it");
        Check.that(c.admin().fetchTopicsByCLuster(c.cluster).getTopicList().contains(topic), "the cluster's topic list has it");
        Check.same(c.brokers, c.masters().size(), "masters in the cluster");
        c.send(message(topic, "", "counted"));
        Check.await(() -> "one message in the topic's statistics", () ->
            c.admin().examineTopicStats(topic).getOffsetTable().values().stream().mapToLong(o -> o.getMaxOffset() - o.getMinOffset()).sum() == 1);
    }
}
