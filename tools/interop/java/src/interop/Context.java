package interop;

import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/**
 * What a scenario has: where the servers are, names nobody else uses, and clients that are shut down in reverse
 * order when it ends. Every client has an instance name of its own, so several can live in one JVM.
 */
final class Context implements AutoCloseable {
    private static final AtomicInteger SERIAL = new AtomicInteger();

    final Harness harness;
    final String namesrv;
    final String cluster;
    /** Masters that every topic of every scenario is made on. */
    final int brokers;
    final boolean ours;
    private final Map<String, String> options;
    private final String tag;
    private final Deque<Runnable> closing = new ArrayDeque<>();
    private DefaultMQProducer producer;
    private DefaultMQPullConsumer puller;
    private DefaultMQAdminExt admin;

    Context(Harness harness, Map<String, String> options) {
        this(harness, options, "root");
    }

    private Context(Harness harness, Map<String, String> options, String tag) {
        this.harness = harness;
        this.options = options;
        this.namesrv = options.get("--namesrv");
        this.cluster = options.get("--cluster");
        this.brokers = Integer.parseInt(options.get("--brokers"));
        this.ours = "ours".equals(options.get("--servers"));
        this.tag = tag.replaceAll("[^a-zA-Z0-9]", "-");
    }

    Context fork(String name) {
        return new Context(harness, options, name);
    }

    String unique(String what) {
        return tag + "_" + what + "_" + SERIAL.incrementAndGet();
    }

    // --- clients ---

    DefaultMQProducer producer() throws Exception {
        if (producer == null) {
            producer = newProducer();
            producer.start();
        }
        return producer;
    }

    /** Not started; retries off, so that a refusal is seen as it came. */
    DefaultMQProducer newProducer() {
        DefaultMQProducer made = new DefaultMQProducer(unique("PG"));
        made.setNamesrvAddr(namesrv);
        made.setInstanceName(unique("producer"));
        made.setSendMsgTimeout(10_000);
        made.setRetryTimesWhenSendFailed(0);
        made.setRetryTimesWhenSendAsyncFailed(0);
        closing.push(made::shutdown);
        return made;
    }

    /** Not started, no subscription; starts at the first offset. */
    DefaultMQPushConsumer newPush(String group) {
        DefaultMQPushConsumer made = new DefaultMQPushConsumer(group);
        made.setNamesrvAddr(namesrv);
        made.setInstanceName(unique("push"));
        made.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        made.setConsumeThreadMin(4);
        made.setConsumeThreadMax(4);
        made.setPollNameServerInterval(2_000);
        made.setHeartbeatBrokerInterval(5_000);
        made.setAwaitTerminationMillisWhenShutdown(5_000);
        closing.push(made::shutdown);
        return made;
    }

    /** Not started, neither subscribed nor assigned. */
    DefaultLitePullConsumer newLite(String group) {
        DefaultLitePullConsumer made = new DefaultLitePullConsumer(group);
        made.setNamesrvAddr(namesrv);
        made.setInstanceName(unique("lite"));
        made.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        closing.push(made::shutdown);
        return made;
    }

    /** Has {@code end} run when the scenario is over. */
    void atEnd(Runnable end) {
        closing.push(end);
    }

    DefaultMQPullConsumer puller() throws Exception {
        if (puller == null) {
            puller = newPuller(unique("PULL"));
            puller.start();
        }
        return puller;
    }

    DefaultMQPullConsumer newPuller(String group) {
        DefaultMQPullConsumer made = new DefaultMQPullConsumer(group);
        made.setNamesrvAddr(namesrv);
        made.setInstanceName(unique("pull"));
        closing.push(made::shutdown);
        return made;
    }

    DefaultMQAdminExt admin() throws Exception {
        if (admin == null) {
            admin = new DefaultMQAdminExt(5_000);
            admin.setNamesrvAddr(namesrv);
            admin.setInstanceName(unique("admin"));
            admin.start();
            closing.push(admin::shutdown);
        }
        return admin;
    }

    // --- topics ---

    /** Addresses of the masters, by broker name. */
    Map<String, String> masters() throws Exception {
        Map<String, String> masters = new TreeMap<>();
        admin().examineBrokerClusterInfo().getBrokerAddrTable().forEach((name, broker) -> masters.put(name, broker.getBrokerAddrs().get(0L)));
        return masters;
    }

    /** A fresh topic with {@code queues} queues on every master, routed when this returns. */
    String topic(int queues) throws Exception {
        String topic = unique("T");
        for (String address : masters().values()) {
            admin().createAndUpdateTopicConfig(address, new TopicConfig(topic, queues, queues, 6));
        }
        awaitRoute(topic, brokers);
        return topic;
    }

    void awaitRoute(String topic, int onBrokers) throws Exception {
        Check.await(() -> topic + " routed on " + onBrokers + " brokers", () -> routedOn(topic) == onBrokers);
    }

    int routedOn(String topic) throws Exception {
        return admin().examineTopicRouteInfo(topic).getQueueDatas().size();
    }

    /** Queues a consumer sees, sorted. */
    List<MessageQueue> queues(String topic) throws Exception {
        List<MessageQueue> queues = new ArrayList<>(puller().fetchSubscribeMessageQueues(topic));
        Collections.sort(queues);
        return queues;
    }

    /** Sum of the offsets the brokers hold for a group. */
    long committed(String group, String topic) throws Exception {
        return admin().examineConsumeStats(group, topic).getOffsetTable().values().stream().mapToLong(offset -> offset.getConsumerOffset()).sum();
    }

    // --- messages ---

    static Message message(String topic, String tags, String body) {
        return new Message(topic, tags, body.getBytes(StandardCharsets.UTF_8));
    }

    static String text(Message message) {
        return new String(message.getBody(), StandardCharsets.UTF_8);
    }

    /** Sends and insists on SEND_OK. */
    SendResult send(Message message) throws Exception {
        SendResult result = producer().send(message);
        Check.same(SendStatus.SEND_OK, result.getSendStatus(), "status of a sync send");
        return result;
    }

    /** Sends bodies {@code prefix0 ...} spread over the queues; returns them in order. */
    List<String> sendMany(String topic, String prefix, int count) throws Exception {
        List<String> bodies = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            send(message(topic, "TagA", prefix + i));
            bodies.add(prefix + i);
        }
        return bodies;
    }

    /** Everything one queue holds from {@code offset} on, by pulling. */
    List<MessageExt> drain(MessageQueue queue, long offset) throws Exception {
        List<MessageExt> all = new ArrayList<>();
        long next = offset;
        while (true) {
            var pulled = puller().pull(queue, "*", next, 32);
            if (pulled.getPullStatus() != PullStatus.FOUND) {
                return all;
            }
            all.addAll(pulled.getMsgFoundList());
            next = pulled.getNextBeginOffset();
        }
    }

    List<MessageExt> drain(String topic) throws Exception {
        List<MessageExt> all = new ArrayList<>();
        for (MessageQueue queue : queues(topic)) {
            all.addAll(drain(queue, 0));
        }
        return all;
    }

    /** The {@code count} messages of a queue; Java shows them a moment after it has acknowledged them. */
    List<MessageExt> stored(MessageQueue queue, int count) throws Exception {
        Check.await(() -> count + " messages in " + queue, () -> drain(queue, 0).size() >= count);
        List<MessageExt> all = drain(queue, 0);
        Check.same(count, all.size(), "messages in " + queue);
        return all;
    }

    /** The {@code count} messages of a topic. */
    List<MessageExt> stored(String topic, int count) throws Exception {
        Check.await(() -> count + " messages in " + topic + ", not " + drain(topic).size(), () -> drain(topic).size() >= count);
        List<MessageExt> all = drain(topic);
        Check.same(count, all.size(), "messages in " + topic);
        return all;
    }

    @Override
    public void close() {
        closing.forEach(Runnable::run);
    }
}
