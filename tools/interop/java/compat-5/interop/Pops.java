package interop;

import static interop.Context.message;
import static interop.Context.text;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.AckCallback;
import org.apache.rocketmq.client.consumer.AckResult;
import org.apache.rocketmq.client.consumer.AckStatus;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.PopCallback;
import org.apache.rocketmq.client.consumer.PopResult;
import org.apache.rocketmq.client.consumer.PopStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.common.constant.ConsumeInitMode;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.common.message.MessageRequestMode;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.apache.rocketmq.remoting.protocol.RequestCode;
import org.apache.rocketmq.remoting.protocol.header.AckMessageRequestHeader;
import org.apache.rocketmq.remoting.protocol.header.ChangeInvisibleTimeRequestHeader;
import org.apache.rocketmq.remoting.protocol.header.ExtraInfoUtil;
import org.apache.rocketmq.remoting.protocol.header.NotificationRequestHeader;
import org.apache.rocketmq.remoting.protocol.header.NotificationResponseHeader;
import org.apache.rocketmq.remoting.protocol.header.PollingInfoRequestHeader;
import org.apache.rocketmq.remoting.protocol.header.PollingInfoResponseHeader;
import org.apache.rocketmq.remoting.protocol.header.PopMessageRequestHeader;
import org.apache.rocketmq.remoting.protocol.subscription.SubscriptionGroupConfig;

/** Consumers that pop: the push consumer told to, and the calls that the proxy makes. */
final class Pops {
    static final List<Scenario> ALL = List.of(
        Scenario.beside("pop/push-consumer-two-members", Pops::push),
        Scenario.beside("pop/push-consumer-tries-again", Pops::pushRetry),
        Scenario.beside("pop/ack-and-revive", Pops::ackAndRevive),
        Scenario.beside("pop/batch-ack", Pops::batchAck),
        Scenario.beside("pop/change-invisible-time", Pops::change),
        Scenario.beside("pop/tags", Pops::tags),
        Scenario.beside("pop/long-poll-and-notification", Pops::waits),
        Scenario.beside("pop/in-order", Pops::inOrder),
        Scenario.beside("pop/refusals", Pops::refusals));

    private static final long TIMEOUT = 30_000;

    private Pops() {}

    /** A group whose members pop a topic, known to every broker. */
    private static String popping(Context c, String topic) throws Exception {
        String group = c.unique("G");
        for (String address : c.masters().values()) {
            SubscriptionGroupConfig config = new SubscriptionGroupConfig();
            config.setGroupName(group);
            c.admin().createAndUpdateSubscriptionGroupConfig(address, config);
            c.admin().setMessageRequestMode(address, topic, group, MessageRequestMode.POP, 0, 5_000);
        }
        return group;
    }

    private static void push(Context c) throws Exception {
        String topic = c.topic(4);
        String group = popping(c, topic);
        Received left = new Received();
        Received right = new Received();
        for (Received received : List.of(left, right)) {
            DefaultMQPushConsumer consumer = received.by(c.newPush(group));
            consumer.setClientRebalance(false);
            consumer.subscribe(topic, "*");
            consumer.start();
        }
        Set<String> sent = new TreeSet<>();
        Check.await(() -> "both members at work: " + left.size() + " and " + right.size(), () -> {
            sent.addAll(c.sendMany(topic, "m" + sent.size() + "-", 40));
            return left.size() > 0 && right.size() > 0;
        });
        Check.await(() -> "all " + sent.size() + ", not " + left.size() + " and " + right.size(), () -> union(left, right).containsAll(sent));
        Check.same(Set.of(), left.repeated(), "messages one member got twice");
        Set<String> both = left.bodies();
        both.retainAll(right.bodies());
        Check.same(Set.of(), both, "messages that both members got");
        Check.await(() -> "the group behind all it took, not at " + c.committed(group, topic), () -> c.committed(group, topic) == sent.size());
    }

    private static Set<String> union(Received left, Received right) {
        Set<String> all = left.bodies();
        all.addAll(right.bodies());
        return all;
    }

    private static void pushRetry(Context c) throws Exception {
        String topic = c.topic(1);
        String group = popping(c, topic);
        Map<String, Integer> attempts = new ConcurrentHashMap<>();
        Map<String, String> seen = new ConcurrentHashMap<>();
        DefaultMQPushConsumer consumer = c.newPush(group);
        consumer.setClientRebalance(false);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            MessageExt one = messages.get(0);
            int attempt = attempts.merge(text(one), 1, Integer::sum);
            seen.put(text(one) + attempt, one.getTopic() + " " + one.getReconsumeTimes() + " " + one.getTags());
            return text(one).equals("bad") && attempt < 3 ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        c.send(message(topic, "TagB", "good"));
        c.send(message(topic, "TagB", "bad"));
        Check.await(() -> "three attempts, not " + attempts, () -> attempts.getOrDefault("bad", 0) == 3);
        Check.same(1, attempts.get("good"), "attempts of the other one");
        for (int attempt = 1; attempt <= 3; attempt++) {
            Check.same(topic + " " + (attempt - 1) + " TagB", seen.get("bad" + attempt), "attempt " + attempt);
        }
    }

    // --- the calls themselves ---

    /** The client below the consumers, and one broker. */
    private static final class Raw {
        final MQClientAPIImpl api;
        final String broker;
        final String address;
        final String topic;
        final String group;

        Raw(Context c, int queues) throws Exception {
            topic = c.topic(queues);
            group = c.unique("G");
            DefaultMQPullConsumer client = c.newPuller(c.unique("RAW"));
            client.start();
            api = client.getDefaultMQPullConsumerImpl().getRebalanceImpl().getmQClientFactory().getMQClientAPIImpl();
            Map.Entry<String, String> first = c.masters().entrySet().iterator().next();
            broker = first.getKey();
            address = first.getValue();
            SubscriptionGroupConfig config = new SubscriptionGroupConfig();
            config.setGroupName(group);
            c.admin().createAndUpdateSubscriptionGroupConfig(address, config);
        }

        void send(Context c, int queueId, String tags, String... bodies) throws Exception {
            for (String body : bodies) {
                c.producer().send(message(topic, tags, body), new MessageQueue(topic, broker, queueId));
            }
        }

        PopMessageRequestHeader request(int count, long invisible, long poll) {
            PopMessageRequestHeader header = new PopMessageRequestHeader();
            header.setConsumerGroup(group);
            header.setTopic(topic);
            header.setQueueId(-1);
            header.setMaxMsgNums(count);
            header.setInvisibleTime(invisible);
            header.setPollTime(poll);
            header.setBornTime(System.currentTimeMillis());
            header.setInitMode(ConsumeInitMode.MIN);
            header.setExpType("TAG");
            header.setExp("*");
            header.setOrder(false);
            return header;
        }

        PopResult pop(PopMessageRequestHeader header) throws Exception {
            CompletableFuture<PopResult> result = new CompletableFuture<>();
            api.popMessageAsync(broker, address, header, TIMEOUT, new PopCallback() {
                @Override
                public void onSuccess(PopResult popped) {
                    result.complete(popped);
                }

                @Override
                public void onException(Throwable failure) {
                    result.completeExceptionally(failure);
                }
            });
            return result.get(TIMEOUT, TimeUnit.MILLISECONDS);
        }

        /** Everything there is, by as many pops as it takes. */
        List<MessageExt> popAll(long invisible) throws Exception {
            List<MessageExt> all = new ArrayList<>();
            while (true) {
                PopResult popped = pop(request(32, invisible, 0));
                if (popped.getPopStatus() != PopStatus.FOUND) {
                    return all;
                }
                all.addAll(popped.getMsgFoundList());
            }
        }

        AckMessageRequestHeader ackOf(MessageExt one) {
            String receipt = one.getProperty(MessageConst.PROPERTY_POP_CK);
            String[] parts = ExtraInfoUtil.split(receipt);
            AckMessageRequestHeader header = new AckMessageRequestHeader();
            header.setConsumerGroup(group);
            header.setTopic(ExtraInfoUtil.getRealTopic(parts, topic, group));
            header.setQueueId(ExtraInfoUtil.getQueueId(parts));
            header.setOffset(ExtraInfoUtil.getQueueOffset(parts));
            header.setExtraInfo(receipt);
            return header;
        }

        AckResult ack(MessageExt one) throws Exception {
            Answer answer = new Answer();
            api.ackMessageAsync(address, TIMEOUT, answer, ackOf(one));
            return answer.result.get(TIMEOUT, TimeUnit.MILLISECONDS);
        }

        /** The new receipt. */
        String change(MessageExt one, long invisible) throws Exception {
            AckMessageRequestHeader ack = ackOf(one);
            ChangeInvisibleTimeRequestHeader header = new ChangeInvisibleTimeRequestHeader();
            header.setConsumerGroup(group);
            header.setTopic(ack.getTopic());
            header.setQueueId(ack.getQueueId());
            header.setOffset(ack.getOffset());
            header.setExtraInfo(ack.getExtraInfo());
            header.setInvisibleTime(invisible);
            Answer answer = new Answer();
            api.changeInvisibleTimeAsync(broker, address, header, TIMEOUT, answer);
            AckResult result = answer.result.get(TIMEOUT, TimeUnit.MILLISECONDS);
            Check.same(AckStatus.OK, result.getStatus(), "status of a change");
            return result.getExtraInfo();
        }

        RemotingCommand ask(int code, org.apache.rocketmq.remoting.CommandCustomHeader header) throws Exception {
            return api.getRemotingClient().invokeSync(address, RemotingCommand.createRequestCommand(code, header), TIMEOUT);
        }

        int polling() throws Exception {
            PollingInfoRequestHeader header = new PollingInfoRequestHeader();
            header.setConsumerGroup(group);
            header.setTopic(topic);
            header.setQueueId(-1);
            return ((PollingInfoResponseHeader) ask(RequestCode.POLLING_INFO, header).decodeCommandCustomHeader(PollingInfoResponseHeader.class)).getPollingNum();
        }

        boolean notified(long poll) throws Exception {
            NotificationRequestHeader header = new NotificationRequestHeader();
            header.setConsumerGroup(group);
            header.setTopic(topic);
            header.setQueueId(-1);
            header.setPollTime(poll);
            header.setBornTime(System.currentTimeMillis());
            RemotingCommand answer = ask(RequestCode.NOTIFICATION, header);
            Check.same(0, answer.getCode(), "code of a notification: " + answer);
            return ((NotificationResponseHeader) answer.decodeCommandCustomHeader(NotificationResponseHeader.class)).isHasMsg();
        }
    }

    private static final class Answer implements AckCallback {
        final CompletableFuture<AckResult> result = new CompletableFuture<>();

        @Override
        public void onSuccess(AckResult ackResult) {
            result.complete(ackResult);
        }

        @Override
        public void onException(Throwable failure) {
            result.completeExceptionally(failure);
        }
    }

    private static Set<String> texts(Collection<MessageExt> messages) {
        return messages.stream().map(Context::text).collect(Collectors.toCollection(TreeSet::new));
    }

    /** Pops until all of {@code bodies} have come again; how often anything else came is not asked. */
    private static Map<String, MessageExt> awaitAgain(Raw raw, Set<String> bodies, long invisible) throws Exception {
        Map<String, MessageExt> again = new TreeMap<>();
        Check.await(() -> bodies + " again, not only " + again.keySet(), () -> {
            raw.popAll(invisible).forEach(m -> again.put(text(m), m));
            return again.keySet().containsAll(bodies);
        });
        return again;
    }

    private static void ackAndRevive(Context c) throws Exception {
        Raw raw = new Raw(c, 2);
        raw.send(c, 0, "TagA", "a0", "a1", "a2");
        raw.send(c, 1, "TagA", "b0", "b1");
        List<MessageExt> first = new ArrayList<>();
        Check.await(() -> "five messages, not " + texts(first), () -> first.addAll(raw.popAll(3_000)) && first.size() >= 5 || first.size() >= 5);
        Check.same(Set.of("a0", "a1", "a2", "b0", "b1"), texts(first), "first delivery");
        Check.same(5, first.size(), "messages of it");
        for (MessageExt one : first) {
            Check.same(0, one.getReconsumeTimes(), "attempts before");
            if (!Set.of("a1", "b0").contains(text(one))) {
                Check.same(AckStatus.OK, raw.ack(one).getStatus(), "status of an ack");
            }
        }
        Map<String, MessageExt> again = awaitAgain(raw, Set.of("a1", "b0"), 60_000);
        Check.same(Set.of("a1", "b0"), again.keySet(), "what came again");
        for (MessageExt one : again.values()) {
            Check.same(raw.topic, one.getTopic(), "topic shown");
            Check.same(1, one.getReconsumeTimes(), "attempts before the second");
            Check.same("TagA", one.getTags(), "its tag");
            Check.that(one.getProperty("1ST_POP_TIME") != null, "the time of its first pop");
            Check.same("1", one.getProperty(MessageConst.PROPERTY_POP_CK).split(" ")[4], "kind in the receipt");
            Check.same(AckStatus.OK, raw.ack(one).getStatus(), "status of an ack");
        }
    }

    private static void batchAck(Context c) throws Exception {
        Raw raw = new Raw(c, 1);
        raw.send(c, 0, "", "m0", "m1", "m2", "m3", "m4");
        List<MessageExt> first = new ArrayList<>();
        Check.await(() -> "five messages, not " + texts(first), () -> first.addAll(raw.popAll(3_000)) && first.size() >= 5 || first.size() >= 5);
        List<String> receipts = first.stream().filter(m -> !text(m).equals("m3")).map(m -> m.getProperty(MessageConst.PROPERTY_POP_CK)).collect(Collectors.toList());
        Answer answer = new Answer();
        raw.api.batchAckMessageAsync(raw.address, TIMEOUT, answer, raw.topic, raw.group, receipts);
        Check.same(AckStatus.OK, answer.result.get(TIMEOUT, TimeUnit.MILLISECONDS).getStatus(), "status of a batch");
        Check.same(Set.of("m3"), awaitAgain(raw, Set.of("m3"), 60_000).keySet(), "what came again");
    }

    private static void change(Context c) throws Exception {
        Raw raw = new Raw(c, 1);
        raw.send(c, 0, "", "short", "long", "acked");
        List<MessageExt> first = new ArrayList<>();
        Check.await(() -> "three messages, not " + texts(first), () -> first.addAll(raw.popAll(60_000)) && first.size() >= 3 || first.size() >= 3);
        Map<String, MessageExt> byText = first.stream().collect(Collectors.toMap(Context::text, m -> m));
        raw.change(byText.get("short"), 1_500);
        String receipt = raw.change(byText.get("acked"), 1_500);
        String[] parts = receipt.split(" ");
        Check.same("1500", parts[2], "invisible time in the new receipt " + receipt);
        byText.get("acked").putUserProperty("unused", "x");
        byText.get("acked").getProperties().put(MessageConst.PROPERTY_POP_CK, receipt);
        Check.same(AckStatus.OK, raw.ack(byText.get("acked")).getStatus(), "ack with the new receipt");
        Check.same(Set.of("short"), awaitAgain(raw, Set.of("short"), 60_000).keySet(), "what came again");
    }

    private static void tags(Context c) throws Exception {
        Raw raw = new Raw(c, 1);
        raw.send(c, 0, "red", "r0");
        raw.send(c, 0, "blue", "b0", "b1");
        raw.send(c, 0, "green", "g0");
        List<MessageExt> came = new ArrayList<>();
        Check.await(() -> "red and green, not " + texts(came), () -> {
            PopMessageRequestHeader header = raw.request(32, 60_000, 0);
            header.setExp("red || green");
            PopResult popped = raw.pop(header);
            if (popped.getPopStatus() == PopStatus.FOUND) {
                came.addAll(popped.getMsgFoundList());
            }
            return came.size() >= 2;
        });
        Check.same(Set.of("r0", "g0"), texts(came), "what matches");
        came.forEach(m -> Check.same("0", m.getProperty(MessageConst.PROPERTY_POP_CK).split(" ")[4], "kind in the receipt"));
    }

    private static void waits(Context c) throws Exception {
        Raw raw = new Raw(c, 4);
        Check.same(PopStatus.POLLING_NOT_FOUND, raw.pop(raw.request(8, 60_000, 0)).getPopStatus(), "nothing there");
        Check.same(false, raw.notified(0), "something to pop");
        CompletableFuture<PopResult> waiting = CompletableFuture.supplyAsync(() -> {
            try {
                return raw.pop(raw.request(8, 60_000, 20_000));
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        });
        Check.await(() -> "one that waits", () -> raw.polling() == 1);
        long sent = System.nanoTime();
        raw.send(c, 3, "", "wake");
        PopResult woken = waiting.get(TIMEOUT, TimeUnit.MILLISECONDS);
        long ms = (System.nanoTime() - sent) / 1_000_000;
        Check.same(Set.of("wake"), texts(woken.getMsgFoundList()), "what it was woken for");
        Check.that(ms < 5_000, "woken by the message, not by time: " + ms + " ms");
        Check.same(0, raw.polling(), "waiting");
        CompletableFuture<Boolean> told = CompletableFuture.supplyAsync(() -> {
            try {
                return raw.notified(20_000);
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        });
        Thread.sleep(300); // so that it waits: an answer at once would be right, too, and prove less
        raw.send(c, 1, "", "told");
        Check.same(true, told.get(TIMEOUT, TimeUnit.MILLISECONDS), "told of a message");
        Check.same(Set.of("told"), texts(raw.popAll(60_000)), "still there");
    }

    private static void inOrder(Context c) throws Exception {
        Raw raw = new Raw(c, 1);
        raw.send(c, 0, "", "m0", "m1", "m2", "m3");
        PopMessageRequestHeader header = raw.request(2, 6_000, 0);
        header.setOrder(true);
        List<MessageExt> batch = new ArrayList<>();
        Check.await(() -> "a batch of two, not " + texts(batch), () -> {
            PopResult popped = raw.pop(header);
            if (popped.getPopStatus() == PopStatus.FOUND) {
                batch.addAll(popped.getMsgFoundList());
            }
            return batch.size() == 2;
        });
        Check.same(List.of("m0", "m1"), batch.stream().map(Context::text).collect(Collectors.toList()), "first batch");
        Check.same("999", batch.get(0).getProperty(MessageConst.PROPERTY_POP_CK).split(" ")[3], "revive queue of an ordered receipt");
        Check.same(PopStatus.POLLING_NOT_FOUND, raw.pop(header).getPopStatus(), "a pop of a closed queue");
        Check.same(AckStatus.OK, raw.ack(batch.get(0)).getStatus(), "first ack");
        Check.same(PopStatus.POLLING_NOT_FOUND, raw.pop(header).getPopStatus(), "a pop of a half closed queue");
        PopMessageRequestHeader patient = raw.request(2, 60_000, 15_000);
        patient.setOrder(true);
        PopResult again = raw.pop(patient);
        Check.same(List.of("m1", "m2"), again.getMsgFoundList().stream().map(Context::text).collect(Collectors.toList()), "what was not acknowledged comes first");
        Check.same(1, again.getMsgFoundList().get(0).getReconsumeTimes(), "attempts of it before");
        Check.same(0, again.getMsgFoundList().get(1).getReconsumeTimes(), "attempts of the other");
        for (MessageExt one : again.getMsgFoundList()) {
            Check.same(AckStatus.OK, raw.ack(one).getStatus(), "ack of " + text(one));
        }
        patient.setBornTime(System.currentTimeMillis());
        Check.same(Set.of("m3"), texts(raw.pop(patient).getMsgFoundList()), "the rest");
    }

    private static void refusals(Context c) throws Exception {
        Raw raw = new Raw(c, 1);
        raw.send(c, 0, "", "m0");
        List<MessageExt> came = new ArrayList<>();
        Check.await(() -> "one message", () -> came.addAll(raw.popAll(60_000)) || !came.isEmpty());
        Map<String, Integer> codes = new TreeMap<>();
        PopMessageRequestHeader many = raw.request(33, 60_000, 0);
        codes.put("33 messages", raw.ask(RequestCode.POP_MESSAGE, many).getCode());
        PopMessageRequestHeader late = raw.request(1, 60_000, 0);
        late.setBornTime(System.currentTimeMillis() - 5_000);
        codes.put("late", raw.ask(RequestCode.POP_MESSAGE, late).getCode());
        Check.same(PopStatus.POLLING_NOT_FOUND, raw.pop(late).getPopStatus(), "what a client makes of it");
        PopMessageRequestHeader queue = raw.request(1, 60_000, 0);
        queue.setQueueId(9);
        codes.put("queue 9", raw.ask(RequestCode.POP_MESSAGE, queue).getCode());
        PopMessageRequestHeader nowhere = raw.request(1, 60_000, 0);
        nowhere.setTopic(raw.topic + "-not");
        codes.put("no topic", raw.ask(RequestCode.POP_MESSAGE, nowhere).getCode());
        PopMessageRequestHeader filter = raw.request(1, 60_000, 0);
        filter.setExp("||");
        codes.put("no tag", raw.ask(RequestCode.POP_MESSAGE, filter).getCode());
        AckMessageRequestHeader ack = raw.ackOf(came.get(0));
        ack.setOffset(77L);
        codes.put("ack offset 77", raw.ask(RequestCode.ACK_MESSAGE, ack).getCode());
        ack.setQueueId(9);
        codes.put("ack queue 9", raw.ask(RequestCode.ACK_MESSAGE, ack).getCode());
        Check.same(Map.of("33 messages", 29, "late", 210, "queue 9", 29, "no topic", 17, "no tag", 23, "ack offset 77", 208, "ack queue 9", 13),
            new TreeMap<>(codes), "codes");
        Check.same(AckStatus.OK, raw.ack(came.get(0)).getStatus(), "first ack");
        Check.same(AckStatus.OK, raw.ack(came.get(0)).getStatus(), "second ack of the same");
        Check.same(new HashSet<>(), texts(raw.popAll(1_000)), "left");
    }
}
