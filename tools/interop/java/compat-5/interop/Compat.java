package interop;

import java.util.Map;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.remoting.protocol.heartbeat.MessageModel;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/** What differs between the 4.x and the 5.x client API; this is the 5.x side. */
final class Compat {
    private Compat() {}

    static void broadcast(DefaultMQPushConsumer consumer) {
        consumer.setMessageModel(MessageModel.BROADCASTING);
    }

    static void createTopic(DefaultMQProducer producer, String template, String topic, int queues) throws Exception {
        producer.createTopic(template, topic, queues, Map.of());
    }

    /** The two name strings changed places between the versions. */
    static void deleteRoutes(DefaultMQAdminExt admin, Set<String> servers, String cluster, String topic) throws Exception {
        admin.deleteTopicInNameServer(servers, cluster, topic);
    }
}
