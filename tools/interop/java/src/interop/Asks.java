package interop;

import static interop.Context.message;
import static interop.Context.text;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.RequestTimeoutException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.RequestCallback;
import org.apache.rocketmq.client.utils.MessageUtil;
import org.apache.rocketmq.common.MQVersion;
import org.apache.rocketmq.common.message.Message;

/** What goes back and forth through the broker: questions between clients, and an operator's wishes for a group. */
final class Asks {
    static final List<Scenario> ALL = List.of(
        Scenario.beside("request/reply", Asks::reply),
        Scenario.beside("request/nobody-answers", Asks::silence),
        Scenario.beside("group/reset-by-time", Asks::reset),
        Scenario.beside("group/running-info", Asks::runningInfo));

    /** How long an asker waits. */
    private static final long ANSWER_MS = 3_000;

    private Asks() {}

    private static void reply(Context c) throws Exception {
        String topic = c.topic(1);
        DefaultMQProducer responder = c.newProducer();
        responder.start();
        DefaultMQPushConsumer consumer = c.newPush(c.unique("G"));
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            messages.forEach(question -> {
                try {
                    byte[] answer = ("re: " + text(question)).getBytes(StandardCharsets.UTF_8);
                    responder.send(MessageUtil.createReplyMessage(question, answer));
                } catch (Exception e) {
                    throw new IllegalStateException(e);
                }
            });
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        DefaultMQProducer asker = c.newProducer();
        asker.setHeartbeatBrokerInterval(1_000);
        asker.start();
        // A question may come before the consumer has its queue, or before the asker's heartbeat reached that broker: it is asked again.
        for (int i = 0; i < 5; i++) {
            String question = "q" + i;
            Check.await(() -> "an answer to " + question, () -> text(ask(asker, message(topic, "", question))).equals("re: " + question));
        }
    }

    /**
     * Client 5.3.3 ends a synchronous request as soon as its send is answered (the callback in DefaultMQProducerImpl.request
     * releases the waiter; 5.5.0 does not): only a reply that overtakes that answer is seen. Its request with a selector waits.
     */
    private static Message ask(DefaultMQProducer asker, Message question) throws Exception {
        if (MQVersion.CURRENT_VERSION != MQVersion.Version.V5_3_3.ordinal()) {
            return asker.request(question, ANSWER_MS);
        }
        CompletableFuture<Message> answer = new CompletableFuture<>();
        asker.request(question, (queues, message, arg) -> queues.get(0), null, new RequestCallback() {
            @Override
            public void onSuccess(Message message) {
                answer.complete(message);
            }

            @Override
            public void onException(Throwable e) {
                answer.completeExceptionally(e);
            }
        }, ANSWER_MS);
        return answer.get(2 * ANSWER_MS, TimeUnit.MILLISECONDS);
    }

    private static void silence(Context c) throws Exception {
        DefaultMQProducer asker = c.newProducer();
        asker.start();
        String topic = c.topic(1);
        Check.fails(RequestTimeoutException.class, "a question that nobody answers", () -> asker.request(message(topic, "", "?"), 1_000));
    }

    private static void reset(Context c) throws Exception {
        String topic = c.topic(1);
        String group = c.unique("G");
        Received received = new Received();
        DefaultMQPushConsumer consumer = received.by(c.newPush(group));
        consumer.subscribe(topic, "*");
        consumer.start();
        List<String> sent = c.sendMany(topic, "m", 20);
        received.awaitAll(sent);
        c.admin().resetOffsetByTimestamp(topic, group, 0, true);
        Check.await(() -> "all again, not only " + received.repeated(), () -> received.repeated().containsAll(sent));
    }

    private static void runningInfo(Context c) throws Exception {
        String topic = c.topic(1);
        String group = c.unique("G");
        Received received = new Received();
        DefaultMQPushConsumer consumer = received.by(c.newPush(group));
        consumer.subscribe(topic, "*");
        consumer.start();
        received.awaitAll(c.sendMany(topic, "m", 5));
        String id = consumer.getDefaultMQPushConsumerImpl().getmQClientFactory().getClientId();
        Check.await(() -> "what the consumer tells of itself",
            () -> c.admin().getConsumerRunningInfo(group, id, false).getSubscriptionSet().stream().anyMatch(s -> s.getTopic().equals(topic)));
    }
}
