package interop;

import static interop.Context.message;
import static interop.Context.text;

import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Half messages: decided by the producer, by its answer to the broker's question, by another producer of its group. */
final class Transactions {
    static final List<Scenario> ALL = List.of(
        Scenario.beside("transaction/commit-and-rollback", Transactions::decided),
        Scenario.beside("transaction/asked", Transactions::asked),
        Scenario.beside("transaction/asked-at-another-member", Transactions::orphaned),
        Scenario.alone("transaction/outlives-kill-9", Transactions::killed));

    private Transactions() {}

    /** A producer that decides by the body: "commit", "rollback" or nothing, and the same when asked after "ask-". */
    private static TransactionMQProducer producer(Context c, String group, Map<String, Integer> questions) throws Exception {
        TransactionMQProducer producer = new TransactionMQProducer(group);
        producer.setNamesrvAddr(c.namesrv);
        producer.setInstanceName(c.unique("tx"));
        producer.setHeartbeatBrokerInterval(2_000);
        producer.setTransactionListener(new TransactionListener() {
            @Override
            public LocalTransactionState executeLocalTransaction(Message message, Object argument) {
                return state(text(message));
            }

            @Override
            public LocalTransactionState checkLocalTransaction(MessageExt message) {
                questions.merge(text(message), 1, Integer::sum);
                return state(text(message).substring("ask-".length()));
            }
        });
        c.atEnd(producer::shutdown);
        producer.start();
        return producer;
    }

    private static LocalTransactionState state(String body) {
        if (body.startsWith("commit")) {
            return LocalTransactionState.COMMIT_MESSAGE;
        }
        return body.startsWith("rollback") ? LocalTransactionState.ROLLBACK_MESSAGE : LocalTransactionState.UNKNOW;
    }

    private static Received consumer(Context c, String topic) throws Exception {
        Received received = new Received();
        var consumer = received.by(c.newPush(c.unique("G")));
        consumer.subscribe(topic, "*");
        consumer.start();
        return received;
    }

    private static void decided(Context c) throws Exception {
        String topic = c.topic(1);
        Received received = consumer(c, topic);
        TransactionMQProducer producer = producer(c, c.unique("PG"), new ConcurrentHashMap<>());
        for (int i = 0; i < 10; i++) {
            producer.sendMessageInTransaction(message(topic, "TagA", "rollback" + i), null);
            producer.sendMessageInTransaction(message(topic, "TagA", "commit" + i), null);
        }
        received.awaitAll(List.of("commit0", "commit5", "commit9"));
        Check.await(() -> "ten messages, not " + received.bodies(), () -> received.size() == 10);
        Check.that(received.repeated().isEmpty(), "each once, not " + received.repeated());
    }

    private static void asked(Context c) throws Exception {
        String topic = c.topic(1);
        Received received = consumer(c, topic);
        Map<String, Integer> questions = new ConcurrentHashMap<>();
        TransactionMQProducer producer = producer(c, c.unique("PG"), questions);
        for (String body : List.of("ask-commit", "ask-rollback")) {
            producer.sendMessageInTransaction(message(topic, "TagA", body), null);
        }
        received.awaitAll(List.of("ask-commit"));
        Check.await(() -> "both asked about, not " + questions, () -> questions.size() == 2);
        Check.same(1, received.size(), "messages seen");
    }

    private static void orphaned(Context c) throws Exception {
        String topic = c.topic(1);
        String group = c.unique("PG");
        Received received = consumer(c, topic);
        TransactionMQProducer gone = producer(c, group, new ConcurrentHashMap<>());
        gone.sendMessageInTransaction(message(topic, "TagA", "ask-commit"), null);
        gone.shutdown();
        producer(c, group, new ConcurrentHashMap<>()).send(message(topic, "TagA", "plain"));
        received.awaitAll(List.of("plain", "ask-commit"));
    }

    private static void killed(Context c) throws Exception {
        String topic = c.topic(1);
        Received received = consumer(c, topic);
        Map<String, Integer> questions = new ConcurrentHashMap<>();
        TransactionMQProducer producer = producer(c, c.unique("PG"), questions);
        for (int i = 0; i < 10; i++) {
            producer.sendMessageInTransaction(message(topic, "", "rollback" + i), null);
            producer.sendMessageInTransaction(message(topic, "", "commit" + i), null);
        }
        received.awaitAll(List.of("commit0", "commit9"));
        producer.sendMessageInTransaction(message(topic, "", "ask-commit"), null);
        c.harness.ask("kill broker-0");
        c.harness.ask("start broker-0");
        received.awaitAll(List.of("ask-commit"));
        Check.same(11, received.size(), "no rolled back message is seen");
    }
}
