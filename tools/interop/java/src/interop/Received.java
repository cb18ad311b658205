package interop;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Collects what listeners get: per body how often, per queue in which order. */
final class Received {
    private final Map<String, Integer> times = new ConcurrentHashMap<>();
    private final Map<MessageQueue, List<Long>> offsets = new ConcurrentHashMap<>();

    /** Makes {@code consumer} put everything here and acknowledge it. */
    DefaultMQPushConsumer by(DefaultMQPushConsumer consumer) {
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            messages.forEach(this::add);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        return consumer;
    }

    void add(MessageExt message) {
        MessageQueue queue = new MessageQueue(message.getTopic(), message.getBrokerName(), message.getQueueId());
        List<Long> order = offsets.computeIfAbsent(queue, q -> new ArrayList<>());
        synchronized (order) {
            order.add(message.getQueueOffset());
        }
        times.merge(Context.text(message), 1, Integer::sum);
    }

    Set<String> bodies() {
        return new TreeSet<>(times.keySet());
    }

    int size() {
        return times.size();
    }

    /** Bodies that came more than once. */
    Set<String> repeated() {
        return times.entrySet().stream().filter(e -> e.getValue() > 1).map(Map.Entry::getKey).collect(Collectors.toCollection(TreeSet::new));
    }

    Map<MessageQueue, List<Long>> offsets() {
        return offsets;
    }

    /** Waits until every one of {@code bodies} has come. */
    void awaitAll(Collection<String> bodies) throws Exception {
        Check.await(() -> {
            Set<String> missing = new TreeSet<>(bodies);
            missing.removeAll(times.keySet());
            return "all " + bodies.size() + " messages; missing " + missing.size() + ", such as " + missing.stream().limit(3).collect(Collectors.toList());
        }, () -> times.keySet().containsAll(bodies));
    }
}
