package interop;

import static interop.Context.message;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.QueryResult;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** What comes back is what was sent, and it is found again by id and by key. */
final class Messages {
    static final List<Scenario> ALL = List.of(
        Scenario.beside("message/round-trip", Messages::roundTrip),
        Scenario.beside("message/compressed-body", Messages::compressed),
        Scenario.beside("message/by-offset-id", Messages::byOffsetId),
        Scenario.beside("message/by-unique-id", Messages::byUniqueId),
        Scenario.beside("message/by-key", Messages::byKey));

    private Messages() {}

    private static void roundTrip(Context c) throws Exception {
        String topic = c.topic(1);
        byte[] everyByte = new byte[256];
        for (int i = 0; i < everyByte.length; i++) {
            everyByte[i] = (byte) i;
        }
        Message sent = new Message(topic, "标签", "order-17 ключ", everyByte);
        sent.setFlag(0x5a5a);
        sent.putUserProperty("größe", "10 €; a=b, {\"json\": true}");
        sent.putUserProperty("emoji", "\uD83D\uDE80");
        sent.setBuyerId("buyer");
        long before = System.currentTimeMillis();
        SendResult result = c.send(sent);
        long after = System.currentTimeMillis();

        MessageExt got = c.stored(result.getMessageQueue(), 1).get(0);
        Check.that(Arrays.equals(everyByte, got.getBody()), "the body is unchanged");
        Check.same(topic, got.getTopic(), "topic");
        Check.same("标签", got.getTags(), "tags");
        Check.same("order-17 ключ", got.getKeys(), "keys");
        Check.same(0x5a5a, got.getFlag(), "flag");
        Check.same("10 €; a=b, {\"json\": true}", got.getUserProperty("größe"), "a property with separators");
        Check.same("\uD83D\uDE80", got.getUserProperty("emoji"), "a property beyond the basic plane");
        Check.same("buyer", got.getBuyerId(), "buyer id");
        Check.same(result.getMsgId(), got.getMsgId(), "unique id");
        Check.same(0, got.getReconsumeTimes(), "reconsume times");
        Check.same(result.getMessageQueue().getBrokerName(), got.getBrokerName(), "broker name");
        Check.that(got.getBornTimestamp() >= before && got.getBornTimestamp() <= after, "born when it was sent");
        Check.that(Math.abs(got.getStoreTimestamp() - after) < 60_000, "stored when it was sent");
        Check.same("127.0.0.1", got.getBornHostString(), "born host");
        Check.that(got.getStoreSize() > everyByte.length, "store size covers the body");
    }

    private static void compressed(Context c) throws Exception {
        String topic = c.topic(1);
        byte[] body = "All work and no play makes Jack a dull boy. ".repeat(1000).getBytes(StandardCharsets.UTF_8);
        SendResult result = c.send(new Message(topic, body));
        MessageExt got = c.stored(result.getMessageQueue(), 1).get(0);
        Check.that(Arrays.equals(body, got.getBody()), "a compressed body comes back unpacked");
        Check.that(got.getStoreSize() < body.length / 2, "it is stored compressed, in " + got.getStoreSize() + " bytes");
    }

    private static void byOffsetId(Context c) throws Exception {
        String topic = c.topic(1);
        c.sendMany(topic, "filler", 5);
        SendResult result = c.send(message(topic, "TagA", "found by offset id"));
        MessageExt got = c.producer().viewMessage(topic, result.getOffsetMsgId());
        Check.same("found by offset id", Context.text(got), "body of the viewed message");
        Check.same(result.getQueueOffset(), got.getQueueOffset(), "its queue offset");
        Check.same(result.getMessageQueue().getQueueId(), got.getQueueId(), "its queue");
    }

    private static void byUniqueId(Context c) throws Exception {
        String topic = c.topic(1);
        SendResult result = c.send(message(topic, "TagA", "found by unique id"));
        Check.await(() -> "the message by its unique id", () -> {
            MessageExt got = c.producer().viewMessage(topic, result.getMsgId());
            return got != null && "found by unique id".equals(Context.text(got));
        });
    }

    private static void byKey(Context c) throws Exception {
        String topic = c.topic(1);
        String key = c.unique("key");
        for (int i = 0; i < 6; i++) {
            Message message = message(topic, "TagA", "keyed " + i);
            message.setKeys(List.of(key + i % 2, "other" + i));
            c.send(message);
        }
        long now = System.currentTimeMillis();
        Check.await(() -> "three messages for the key", () -> {
            QueryResult found = c.producer().queryMessage(topic, key + "1", 32, now - 60_000, now + 60_000);
            Set<String> bodies = found.getMessageList().stream().map(Context::text).collect(Collectors.toSet());
            return bodies.equals(Set.of("keyed 1", "keyed 3", "keyed 5"));
        });
        Check.same(1, c.producer().queryMessage(topic, "other4", 32, now - 60_000, now + 60_000).getMessageList().size(), "messages for the second key");
        Check.fails(MQClientException.class, "a key that nobody used", () -> c.producer().queryMessage(topic, "nobody", 32, now - 60_000, now + 60_000));
        Check.fails(MQClientException.class, "a time before the message", () -> c.producer().queryMessage(topic, "other4", 32, 1, now - 600_000));
    }
}
